// The check that a remembered set lacks nothing: a walk of the whole old space.
#ifndef GCHEAP_VERIFY_HPP
#define GCHEAP_VERIFY_HPP

#include <gcbarrier/address_range.hpp>

#include <algorithm>
#include <cstdint>
#include <span>

#include "object.hpp"
#include "object_map.hpp"

namespace gcheap {

// Calls f(slot) with every slot of an old object that points into `young` and is not among `remembered`,
// which is sorted. Returns how many slots point there in all.
template <class F>
std::uint64_t find_missed(const object_map& map, gcbarrier::address_range young,
                          std::span<void** const> remembered, F f) {
  std::uint64_t found = 0;
  map.each([&](object* o) {
    each_slot(o, [&](void** slot) {
      if (!young.contains(*slot)) return;
      ++found;
      if (!std::binary_search(remembered.begin(), remembered.end(), slot)) f(slot);
    });
  });
  return found;
}

}  // namespace gcheap

#endif
