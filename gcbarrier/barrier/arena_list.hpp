// The arenas of a software barrier: ordered by address, merged where they touch.
#ifndef GCBARRIER_BARRIER_ARENA_LIST_HPP
#define GCBARRIER_BARRIER_ARENA_LIST_HPP

#include <cstddef>
#include <span>

#include "../address_range.hpp"
#include "../error.hpp"
#include "../kernel/mapped_array.hpp"
#include "../version.hpp"

GCBARRIER_NAMESPACE_BEGIN

class arena_list {
 public:
  // Adds a range that may touch or overlap those there; ENOMEM where the list cannot grow.
  error add(address_range range) {
    if (range.empty()) return {};
    if (const error why = make_room()) return why;
    std::size_t at = 0;
    while (at < arenas_.size() && arenas_[at].end < range.begin) ++at;
    while (at < arenas_.size() && arenas_[at].begin <= range.end) {
      if (arenas_[at].begin < range.begin) range.begin = arenas_[at].begin;
      if (arenas_[at].end > range.end) range.end = arenas_[at].end;
      arenas_.erase(at);
    }
    arenas_.insert(at, range);
    return {};
  }
  void clear() { arenas_.truncate(0); }

  [[nodiscard]] bool overlaps(address_range range) const {
    for (const address_range arena : arenas_) {
      if (arena.overlaps(range)) return true;
    }
    return false;
  }

  [[nodiscard]] std::span<const address_range> arenas() const { return arenas_.items(); }

 private:
  error make_room() {
    if (arenas_.size() < arenas_.capacity()) return {};
    return arenas_.reserve(arenas_.empty() ? 64 : 2 * arenas_.size());
  }

  kernel::mapped_array<address_range> arenas_;
};

GCBARRIER_NAMESPACE_END

#endif
