// Where the old objects begin: a bit per possible start, beside the heap, and a coarser bitmap to skip what
// is empty.
#ifndef GCHEAP_OBJECT_MAP_HPP
#define GCHEAP_OBJECT_MAP_HPP

#include <gcbarrier/address_range.hpp>
#include <gcbarrier/error.hpp>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "bitmap.hpp"
#include "object.hpp"

namespace gcheap {

// The collector's thread only.
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
    starts_.set(o);
    const std::size_t index = starts_.index_of(o);
    summary(index) |= bitmap::bit_of_granule(index);
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

  // Calls f(object*) with every object in address order.
  template <class F>
  void each(F f) const {
    each_word([&](std::size_t index) { visit(index, starts_.word(index), f); });
  }

  // Forgets every object whose bit in `live` is clear, after f(object*) with it; clears `live`, which must
  // cover the same addresses. What a sweep is.
  template <class F>
  void retain_only(bitmap& live, F f) {
    each_word([&](std::size_t index) {
      const std::uint64_t starts = starts_.word(index);
      std::uint64_t& marks = live.word(index);
      const std::uint64_t dead = starts & ~marks;
      visit(index, dead, f);
      starts_.word(index) = starts & ~dead;
      if (starts == dead) summary(index) &= ~bitmap::bit_of_granule(index);
      marks = 0;
    });
  }

 private:
  static constexpr std::size_t none = ~std::size_t{0};

  [[nodiscard]] std::uint64_t& summary(std::size_t index) const {
    return static_cast<std::uint64_t*>(summary_.data())[index / 64];
  }

  template <class F>
  void each_word(F f) const {
    const std::size_t words = starts_.covered().bytes() / bitmap::word_covers;
    for (std::size_t base = 0; base < words; base += 64) {
      for (std::uint64_t rest = summary(base); rest != 0; rest &= rest - 1) {
        f(base + static_cast<std::size_t>(std::countr_zero(rest)));
      }
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
    std::uint64_t bits = starts_.word(index) & (bit | (bit - 1));
    if (bits == 0) {
      index = last_used_before(index);
      if (index == none) return nullptr;
      bits = starts_.word(index);
    }
    return object_at(index, 63 - std::countl_zero(bits));
  }

  // The last word before this one that has a bit set. A step of the loop is 64 KiB of heap, for the inside of
  // large objects.
  [[nodiscard]] std::size_t last_used_before(std::size_t index) const {
    std::uint64_t bits = summary(index) & (bitmap::bit_of_granule(index) - 1);
    std::size_t base = index / 64;
    while (bits == 0) {
      if (base == 0) return none;
      --base;
      bits = summary(base * 64);
    }
    return base * 64 + static_cast<std::size_t>(63 - std::countl_zero(bits));
  }

  bitmap starts_;
  reservation summary_;  // a bit per word of starts_ that is not zero
};

}  // namespace gcheap

#endif
