// No barrier: everything is always dirty, so that every collection reads the whole old space. The lower bound
// of what a store can cost, and what a collector without a barrier does.
#ifndef GCBARRIER_BARRIER_NONE_HPP
#define GCBARRIER_BARRIER_NONE_HPP

#include <cerrno>
#include <cstddef>
#include <string_view>

#include "../address_range.hpp"
#include "../dirty_set.hpp"
#include "../error.hpp"
#include "../kernel/system_calls.hpp"
#include "../version.hpp"
#include "arena_list.hpp"
#include "write_barrier.hpp"

GCBARRIER_NAMESPACE_BEGIN

class no_barrier {
 public:
  static constexpr std::string_view name = "none";
  using stores_plainly = no_barrier;

  void store(void** slot, void* value) { *slot = value; }
  error add_arena(address_range range) { return arenas_.add(range); }
  dirty_set written() { return dirty_set(arenas_.arenas()); }
  void retain(address_range /*range*/) {}  // it is in every set as it is
  void rearm() {}
  [[nodiscard]] std::size_t granule() const { return kernel::page_size(); }

 private:
  arena_list arenas_;
};

static_assert(write_barrier<no_barrier>);

GCBARRIER_NAMESPACE_END

#endif
