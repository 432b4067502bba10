// Where the old objects begin: a bit per possible start, beside the heap, and a coarser bitmap to skip what
// is empty.
#ifndef GCHEAP_OBJECT_MAP_HPP
#define GCHEAP_OBJECT_MAP_HPP

#include <gcbarrier/address_range.hpp>
#include <gcbarrier/error.hpp>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "bitmap.hpp"
#include "object.hpp"

namespace gcheap {

// The collector's thread only, but for last_before().
class object_map {
 public:
  static gcbarrier::result<object_map> make(gcbarrier::address_range covered) {
    auto starts = bitmap::make(covered);
    if (!starts) return starts.error();
    const std::size_t words = covered.bytes() / bitmap::word_covers + 1;
    auto summary = reservation::make((words / 64 + 1) * sizeof(std::uint64_t), 4096);
    if (!summary) return summary.error();
    object_map made;
    made.starts_ = std::move(*starts);
    made.summary_ = std::move(*summary);
    return made;
  }

  object_map() = default;

  void add(const object* o) {
    const std::size_t index = starts_.index_of(o);
    set(starts_.word(index), starts_.bit_of(o));
    set(summary(index), bitmap::bit_of_granule(index));
  }
  [[nodiscard]] bool is_object(const void* p) const { return starts_.test(p); }

  // The object that this address lies in, or null: free memory, the allocator's own, or outside.
  [[nodiscard]] object* find(const void* p) const {
    if (!starts_.covered().contains(p)) return nullptr;
    object* const found = start_at_or_before(p);
    if (found == nullptr) return nullptr;
    const char* const end = reinterpret_cast<char*>(found) + bytes_of(found);
    return static_cast<const char*>(p) < end ? found : nullptr;
  }

  // The last object that begins before the address, or null. From any thread, while objects are added, of
  // which it may miss those: they have perhaps no header yet, so whoever is given an object must know that it
  // has.
  [[nodiscard]] object* last_before(std::uintptr_t address) const {
    if (address <= starts_.covered().begin) return nullptr;
    return start_at_or_before(reinterpret_cast<void*>(address - 1));  // NOLINT(performance-no-int-to-ptr)
  }

  // Calls f(object*) with every object in address order.
  template <class F>
  void each(F f) const {
    for (std::size_t chunk = 0; chunk < chunk_count(); ++chunk) {
      each_word_in(chunk, [&](std::size_t index) { visit(index, starts_.word(index), f); });
    }
  }

  // The pieces in which the objects can be gone through.
  static constexpr std::size_t chunk_bytes = 64 * bitmap::word_covers;
  [[nodiscard]] std::size_t chunk_count() const {
    return (starts_.covered().bytes() + chunk_bytes - 1) / chunk_bytes;
  }
  [[nodiscard]] std::size_t chunk_of(const object* o) const { return starts_.index_of(o) / 64; }
  [[nodiscard]] bool is_empty(std::size_t chunk) const { return summary(chunk * 64) == 0; }

  // The chunks' memory.
  [[nodiscard]] gcbarrier::address_range range_of(std::size_t first, std::size_t last) const {
    const std::uintptr_t begin = starts_.covered().begin;
    return {begin + first * chunk_bytes, std::min(begin + last * chunk_bytes, starts_.covered().end)};
  }
  // In how many pages of a chunk objects begin whose bit in `live` is clear; `page` divides chunk_bytes.
  [[nodiscard]] std::size_t pages_with_dead(const bitmap& live, std::size_t chunk, std::size_t page) const {
    std::uint64_t pages = 0;
    each_word_in(chunk, [&](std::size_t index) {
      const std::uint64_t dead = starts_.word(index) & ~live.word(index);
      if (dead != 0) pages |= std::uint64_t{1} << (index % 64 * bitmap::word_covers / page);
    });
    return static_cast<std::size_t>(std::popcount(pages));
  }

  // Forgets every object in the chunk whose bit in `live` is clear, after f(object*) with it; clears their
  // bits in `live`, which must cover the same addresses. What a sweep is.
  template <class F>
  void retain_only(bitmap& live, std::size_t chunk, F f) {
    each_word_in(chunk, [&](std::size_t index) {
      const std::uint64_t starts = starts_.word(index);
      std::uint64_t& marks = live.word(index);
      const std::uint64_t dead = starts & ~marks;
      visit(index, dead, f);
      starts_.word(index) = starts & ~dead;
      if (starts == dead) summary(index) &= ~bitmap::bit_of_granule(index);
      marks = 0;
    });
  }
  // Clears the bits of all objects in the chunk.
  void clear(bitmap& bits, std::size_t chunk) const {
    each_word_in(chunk, [&](std::size_t index) { bits.word(index) = 0; });
  }

 private:
  static constexpr std::size_t none = ~std::size_t{0};

  [[nodiscard]] std::uint64_t& summary(std::size_t index) const {
    return static_cast<std::uint64_t*>(summary_.data())[index / 64];
  }

  // Words change as objects are added, while last_before() reads them: what it finds in the summary is there.
  static void set(std::uint64_t& word, std::uint64_t bit) {
    std::atomic_ref(word).store(word | bit, std::memory_order_release);
  }
  static std::uint64_t read(std::uint64_t& word) {
    return std::atomic_ref(word).load(std::memory_order_acquire);
  }

  template <class F>
  void each_word_in(std::size_t chunk, F f) const {
    for (std::uint64_t rest = summary(chunk * 64); rest != 0; rest &= rest - 1) {
      f(chunk * 64 + static_cast<std::size_t>(std::countr_zero(rest)));
    }
  }
  template <class F>
  void visit(std::size_t index, std::uint64_t bits, F f) const {
    for (; bits != 0; bits &= bits - 1) f(object_at(index, std::countr_zero(bits)));
  }
  [[nodiscard]] object* object_at(std::size_t index, int bit) const {
    return reinterpret_cast<object*>(starts_.address_of(index, bit));  // NOLINT(performance-no-int-to-ptr)
  }

  [[nodiscard]] object* start_at_or_before(const void* p) const {
    std::size_t index = starts_.index_of(p);
    const std::uint64_t bit = starts_.bit_of(p);
    std::uint64_t bits = starts_.word_shared(index) & (bit | (bit - 1));
    if (bits == 0) {
      index = last_used_before(index);
      if (index == none) return nullptr;
      bits = starts_.word_shared(index);
    }
    return object_at(index, 63 - std::countl_zero(bits));
  }

  // The last word before this one that has a bit set. A step of the loop is 64 KiB of heap, for the inside of
  // large objects.
  [[nodiscard]] std::size_t last_used_before(std::size_t index) const {
    std::uint64_t bits = read(summary(index)) & (bitmap::bit_of_granule(index) - 1);
    std::size_t base = index / 64;
    while (bits == 0) {
      if (base == 0) return none;
      --base;
      bits = read(summary(base * 64));
    }
    return base * 64 + static_cast<std::size_t>(63 - std::countl_zero(bits));
  }

  bitmap starts_;
  reservation summary_;  // a bit per word of starts_ that is not zero
};

}  // namespace gcheap

#endif
