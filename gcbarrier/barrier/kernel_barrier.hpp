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
#include "../kernel/mapped_array.hpp"
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
  using stores_plainly = kernel_barrier;
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

  // Memory that follows an arena extends it, so that a heap may grow step by step without a system call for
  // every step at each collection; nor for the step itself, if `reserve` said that it would come.
  error add_arena(address_range range, std::size_t reserve = 0) {
    for (address_range& before : arenas_) {
      if (before.end != range.begin) continue;
      const error why = tracker_.resize_arena(reinterpret_cast<const void*>(before.begin),
                                              range.end - before.begin, reserve);
      if (!why) before.end = range.end;
      return why;
    }
    if (arenas_.size() == arenas_.capacity()) {
      if (const error why = arenas_.reserve(arenas_.empty() ? 64 : 2 * arenas_.size())) return why;
    }
    const error why = tracker_.add_arena(range, reserve);
    if (!why) arenas_.push_back(range);
    return why;
  }

  dirty_set written() { return tracker_.peek(); }
  void retain(address_range range) { tracker_.retain(range); }
  // Optional in the concept of a barrier: a search of these pages of the set found a pointer into the
  // nursery.
  void found_young(address_range range) requires(Policy::selects) { tracker_.found_young(range); }
  // Optional too, before rearm(): the collector is about to write most of these pages. An error is no loss:
  // all of the arena is in the next set.
  void expect_writes(address_range range) { (void)tracker_.expect_writes(range); }
  // And cold memory goes to huge pages; see the tracker. Returns how many blocks
  // did.
  std::size_t collapse_cold(const collapse_limits& limits) requires(collapsing_mechanism<Mechanism>) {
    return tracker_.collapse_cold(limits);
  }
  void rearm() { tracker_.arm(); }
  [[nodiscard]] std::size_t granule() const { return kernel::page_size(); }

  tracker_type& tracker() { return tracker_; }

 private:
  explicit kernel_barrier(tracker_type tracker) : tracker_(std::move(tracker)) {}

  tracker_type tracker_;
  kernel::mapped_array<address_range> arenas_;
};
static_assert(write_barrier<kernel_barrier<uffd_async>>);

GCBARRIER_NAMESPACE_END

#endif
