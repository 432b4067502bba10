// What the cost policy remembers about the pages of an arena: two bytes each.
#ifndef GCBARRIER_POLICY_PAGE_HISTORY_HPP
#define GCBARRIER_POLICY_PAGE_HISTORY_HPP

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "../address_range.hpp"
#include "../error.hpp"
#include "../kernel/mapped_array.hpp"
#include "../kernel/system_calls.hpp"
#include "../version.hpp"

GCBARRIER_NAMESPACE_BEGIN

struct page_record {
  enum bits : std::uint8_t {
    step_bits = 3,  // the planner's, between its two passes
    level_one = 4,  // the level counts from 0 (cold) to 3 (hot) in two bits
    level_bits = 4 | 8,
    unprotected = 16,
    found = 32,  // a search found a young pointer since the last arming
    fresh = 64,  // was protected when it was new, and not seen since
  };
  std::uint8_t state = unprotected;
  // Unprotected: cycles since the page is known to have been written last, up to 255. Protected: the cycle in
  // which it became so, modulo 256.
  std::uint8_t count = 0;

  [[nodiscard]] unsigned level() const { return (state & level_bits) / level_one; }
  void set_level(unsigned level) {
    state = static_cast<std::uint8_t>((state & ~level_bits) | level * level_one);
  }
};
static_assert(sizeof(page_record) == 2);

class page_history {
 public:
  page_history() = default;
  explicit page_history(kernel::system_calls calls) : records_(calls) {}

  // Makes it cover `range`, which begins where the one before began. ENOMEM.
  error cover(address_range range) {
    const std::size_t pages = range.bytes() / kernel::page_size();
    if (const error why = records_.reserve(pages)) return why;
    records_.resize(pages);
    range_ = range;
    page_bits_ = static_cast<unsigned>(std::countr_zero(kernel::page_size()));
    return {};
  }

  // Any thread, at the same time as itself.
  void note_found(address_range range) {
    const address_range part = range.widened_to(kernel::page_size()).intersection(range_);
    if (part.empty()) return;
    for (std::size_t i = index(part.begin); i < index(part.end); ++i) {
      // Not fetch_or: nothing but this flag changes while markers run, so a race writes the same byte twice.
      const std::atomic_ref<std::uint8_t> state(records_[i].state);
      const std::uint8_t now = state.load(std::memory_order_relaxed);
      if ((now & page_record::found) == 0) {
        state.store(static_cast<std::uint8_t>(now | page_record::found), std::memory_order_relaxed);
      }
    }
  }

  [[nodiscard]] address_range range() const { return range_; }
  [[nodiscard]] std::size_t index(std::uintptr_t address) const {
    return (address - range_.begin) >> page_bits_;
  }
  [[nodiscard]] std::uintptr_t address(std::size_t index) const {
    return range_.begin + (index << page_bits_);
  }
  // The address may lie outside of the range.
  void prefetch(std::uintptr_t address) const {
    if (range_.contains(address)) __builtin_prefetch(&records_[index(address)], 1);
  }
  page_record& operator[](std::size_t index) { return records_[index]; }
  const page_record& operator[](std::size_t index) const { return records_[index]; }

 private:
  kernel::mapped_array<page_record> records_;
  address_range range_;
  unsigned page_bits_ = 12;
};

GCBARRIER_NAMESPACE_END

#endif
