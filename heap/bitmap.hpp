// One bit per 16 bytes of a range of addresses.
#ifndef GCHEAP_BITMAP_HPP
#define GCHEAP_BITMAP_HPP

#include <gcbarrier/address_range.hpp>
#include <gcbarrier/error.hpp>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "object.hpp"
#include "reservation.hpp"

namespace gcheap {

// Lies outside the heap, so that marking dirties no heap page. Costs 1/128 of what is touched.
class bitmap {
 public:
  static constexpr std::size_t word_covers = 64 * object_alignment;  // bytes of heap per word

  // The range begins on a multiple of word_covers.
  static gcbarrier::result<bitmap> make(gcbarrier::address_range covered) {
    auto memory = reservation::make((covered.bytes() / word_covers + 1) * sizeof(std::uint64_t), 4096);
    if (!memory) return memory.error();
    bitmap made;
    made.covered_ = covered;
    made.memory_ = std::move(*memory);
    return made;
  }

  bitmap() = default;

  [[nodiscard]] bool test(const void* p) const { return (word(index_of(p)) & bit_of(p)) != 0; }
  void set(const void* p) { word(index_of(p)) |= bit_of(p); }
  void clear(const void* p) { word(index_of(p)) &= ~bit_of(p); }
  // Sets it; whether it was clear before.
  bool claim(const void* p) {
    std::uint64_t& bits = word(index_of(p));
    const std::uint64_t before = bits;
    bits |= bit_of(p);
    return before != bits;
  }

  // The same while other threads do it too. Who finds it set sees what was written before it was set.
  [[nodiscard]] bool test_shared(const void* p) const { return (word_shared(index_of(p)) & bit_of(p)) != 0; }
  bool claim_shared(const void* p) {
    if (test_shared(p)) return false;
    const std::atomic_ref bits(word(index_of(p)));
    return (bits.fetch_or(bit_of(p), std::memory_order_acq_rel) & bit_of(p)) == 0;
  }
  // Calls f(address) for each bit set in the range, which begins and ends on multiples of object_alignment.
  template <class F>
  void each_shared(gcbarrier::address_range range, F f) const {
    for (std::uintptr_t at = range.begin; at < range.end;) {
      const std::size_t index = (at - covered_.begin) / word_covers;
      const std::uintptr_t upto = std::min(address_of(index + 1, 0), range.end);
      std::uint64_t bits = word_shared(index);
      bits &= ~std::uint64_t{0} << (at - address_of(index, 0)) / object_alignment;
      bits &= ~std::uint64_t{0} >> (address_of(index + 1, 0) - upto) / object_alignment;
      for (; bits != 0; bits &= bits - 1) f(address_of(index, std::countr_zero(bits)));
      at = upto;
    }
  }

  // Whole words of it: the range begins and ends on multiples of word_covers.
  void clear_all(gcbarrier::address_range range) {
    std::uint64_t* const first = &word((range.begin - covered_.begin) / word_covers);
    std::fill_n(first, range.bytes() / word_covers, 0);
  }

  [[nodiscard]] std::size_t index_of(const void* p) const { return offset_of(p) / word_covers; }
  static std::uint64_t bit_of_granule(std::size_t granule) { return std::uint64_t{1} << (granule % 64); }
  [[nodiscard]] std::uint64_t bit_of(const void* p) const {
    return bit_of_granule(offset_of(p) / object_alignment);
  }
  [[nodiscard]] std::uint64_t& word(std::size_t index) { return words()[index]; }
  [[nodiscard]] std::uint64_t word(std::size_t index) const { return words()[index]; }
  [[nodiscard]] std::uint64_t word_shared(std::size_t index) const {
    return std::atomic_ref(words()[index]).load(std::memory_order_acquire);
  }
  // Where the memory begins that this bit of this word stands for.
  [[nodiscard]] std::uintptr_t address_of(std::size_t index, int bit) const {
    return covered_.begin + index * word_covers + static_cast<std::size_t>(bit) * object_alignment;
  }
  [[nodiscard]] gcbarrier::address_range covered() const { return covered_; }

 private:
  [[nodiscard]] std::uint64_t* words() const { return static_cast<std::uint64_t*>(memory_.data()); }
  [[nodiscard]] std::size_t offset_of(const void* p) const {
    return reinterpret_cast<std::uintptr_t>(p) - covered_.begin;
  }

  gcbarrier::address_range covered_;
  reservation memory_;
};

}  // namespace gcheap

#endif
