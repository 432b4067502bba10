// The barrier that is not there: a plain store, remembered by the page tables.
#ifndef GCBARRIER_BARRIER_KERNEL_BARRIER_HPP
#define GCBARRIER_BARRIER_KERNEL_BARRIER_HPP

#include <array>
#include <cstddef>
#include <string_view>
#include <utility>

#include "../address_range.hpp"
#include "../dirty_set.hpp"
#include "../error.hpp"
#include "../kernel/system_calls.hpp"
#include "../mechanism/mechanism.hpp"
#include "../policy/policy.hpp"
#include "../version.hpp"
#include "../write_tracker.hpp"
#include "write_barrier.hpp"

GCBARRIER_NAMESPACE_BEGIN

// Policy: what to protect again; with cost_policy its name is "uffd_async+cost".
template <mechanism Mechanism, arming_policy Policy = protect_everything>
class kernel_barrier {
  static constexpr std::size_t longest_name = 32;
  static constexpr auto name_text = [] {
    std::array<char, longest_name> text{};
    std::size_t length = 0;
    for (const std::string_view part : {std::string_view(name_of(Mechanism::kind())), Policy::suffix}) {
      for (const char c : part) text.at(length++) = c;
    }
    return text;
  }();

 public:
  static constexpr std::string_view name = name_text.data();
  using tracker_type = basic_write_tracker<Mechanism, Policy>;

  static result<kernel_barrier> open(kernel::system_calls calls = {}) {
    result<Mechanism> mechanism = Mechanism::open(calls);
    if (!mechanism) return mechanism.error();
    Policy policy = Policy::fit(*mechanism, calls);
    result<tracker_type> tracker = tracker_type::over(std::move(*mechanism), calls, std::move(policy));
    if (!tracker) return tracker.error();
    return kernel_barrier(std::move(*tracker));
  }

  void store(void** slot, void* value) { *slot = value; }

  // Memory that follows the last arena extends it, so that a heap may grow step by step without a system call
  // for every step at each collection.
  error add_arena(address_range range) {
    if (last_.end == range.begin && !last_.empty()) {
      const error why =
          tracker_.resize_arena(reinterpret_cast<const void*>(last_.begin), range.end - last_.begin);
      if (!why) last_.end = range.end;
      return why;
    }
    const error why = tracker_.add_arena(range);
    if (!why) last_ = range;
    return why;
  }

  dirty_set written() { return tracker_.peek(); }
  void retain(address_range range) { tracker_.retain(range); }
  // Optional in the concept of a barrier: a search of these pages of the set found a pointer into the
  // nursery.
  void found_young(address_range range) requires(Policy::selects) { tracker_.found_young(range); }
  void rearm() { tracker_.arm(); }
  [[nodiscard]] std::size_t granule() const { return kernel::page_size(); }

  tracker_type& tracker() { return tracker_; }

 private:
  explicit kernel_barrier(tracker_type tracker) : tracker_(std::move(tracker)) {}

  tracker_type tracker_;
  address_range last_;
};
static_assert(write_barrier<kernel_barrier<uffd_async>>);

GCBARRIER_NAMESPACE_END

#endif
