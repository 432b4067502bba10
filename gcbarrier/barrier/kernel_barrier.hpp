// The barrier that is not there: a plain store, remembered by the page tables.
#ifndef GCBARRIER_BARRIER_KERNEL_BARRIER_HPP
#define GCBARRIER_BARRIER_KERNEL_BARRIER_HPP

#include <cstddef>
#include <string_view>
#include <utility>

#include "../address_range.hpp"
#include "../dirty_set.hpp"
#include "../error.hpp"
#include "../kernel/system_calls.hpp"
#include "../mechanism/mechanism.hpp"
#include "../version.hpp"
#include "../write_tracker.hpp"
#include "write_barrier.hpp"

GCBARRIER_NAMESPACE_BEGIN

template <mechanism Mechanism>
class kernel_barrier {
 public:
  static constexpr std::string_view name = name_of(Mechanism::kind());

  static result<kernel_barrier> open(kernel::system_calls calls = {}) {
    result<Mechanism> mechanism = Mechanism::open(calls);
    if (!mechanism) return mechanism.error();
    result<basic_write_tracker<Mechanism>> tracker =
        basic_write_tracker<Mechanism>::over(std::move(*mechanism), calls);
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
  void rearm() { tracker_.arm(); }
  [[nodiscard]] std::size_t granule() const { return kernel::page_size(); }

  basic_write_tracker<Mechanism>& tracker() { return tracker_; }

 private:
  explicit kernel_barrier(basic_write_tracker<Mechanism> tracker) : tracker_(std::move(tracker)) {}

  basic_write_tracker<Mechanism> tracker_;
  address_range last_;
};
static_assert(write_barrier<kernel_barrier<uffd_async>>);

GCBARRIER_NAMESPACE_END

#endif
