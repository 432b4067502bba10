// What is known about each page of an old space at a collection.
#ifndef GCHEAP_DEMO_WATCH_PAGE_STATES_HPP
#define GCHEAP_DEMO_WATCH_PAGE_STATES_HPP

#include <gcbarrier/address_range.hpp>
#include <gcbarrier/kernel/descriptor.hpp>
#include <gcbarrier/kernel/system_calls.hpp>
#include <gcbarrier/kernel/uapi.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace gcheap::demo {

// Pages are numbered in address order within an arena_step, and the steps in the order in which they came
// into use, so that a page keeps its number while the old space grows, in one arena or in two.
class page_states {
 public:
  enum flag : std::uint8_t {
    present = 1,      // in memory, or written
    written = 2,      // says the barrier
    found = 4,        // and a pointer into the nursery lay in it
    unprotected = 8,  // after the collection: the next write will cost no fault
    huge = 16,        // part of a huge page
  };
  static constexpr std::size_t flag_count = 5;

  explicit page_states(gcbarrier::address_range old_space, gcbarrier::kernel::system_calls calls = {});

  void forget_writes();
  // Of the range, what lies in the old space.
  void mark_written(gcbarrier::address_range range);
  void mark_found(const void* slot);

  // Asks the kernel which pages are in memory, unprotected or huge. False where it cannot tell: then every
  // page of a step that was ever written counts as in memory, and the other two are not known.
  bool survey();

  [[nodiscard]] std::span<const std::uint8_t> flags() const { return flags_; }

 private:
  [[nodiscard]] std::size_t index(std::uintptr_t address);
  template <class F>
  void each(gcbarrier::address_range range, F change);

  gcbarrier::address_range old_space_;
  gcbarrier::kernel::system_calls calls_;
  gcbarrier::kernel::descriptor pagemap_;
  std::size_t page_;
  std::size_t pages_per_step_;
  std::vector<std::size_t> first_page_;  // per step: the number of its first page; `none` before it is used
  std::vector<std::uint8_t> flags_;
  std::vector<gcbarrier::kernel::uapi::page_region> regions_;
  bool can_tell_ = true;
};

}  // namespace gcheap::demo

#endif
