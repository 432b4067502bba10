// The checks of a collection: a walk of the whole old space before it, that the remembered set lacks nothing,
// and one of the whole heap after it, that every pointer leads to an object.
#ifndef GCHEAP_VERIFY_HPP
#define GCHEAP_VERIFY_HPP

#include <algorithm>
#include <cstdint>
#include <span>

#include "bitmap.hpp"
#include "object.hpp"
#include "object_map.hpp"
#include "space.hpp"
#include "young_space.hpp"

namespace gcheap {

// Calls f(slot) with every slot of an old object that points to a young one and is not among `remembered`,
// which is sorted. Returns how many slots point there in all.
template <class F>
std::uint64_t find_missed(const space& memory, std::span<void** const> remembered, F f) {
  std::uint64_t found = 0;
  memory.map.each([&](object* o) {
    if (memory.is_dead(o)) return;
    each_slot(o, [&](void** slot) {
      if (!memory.young.contains(*slot)) return;
      ++found;
      if (!std::binary_search(remembered.begin(), remembered.end(), slot)) f(slot);
    });
  });
  return found;
}

// Where objects are, after a collection. Uses the marks of the nursery as long as it lives.
class object_check {
 public:
  explicit object_check(space& memory) : space_(memory) {
    each_young([&](object* o) { space_.marks.set(o); });
  }
  ~object_check() { space_.marks.clear_all(space_.young.range()); }
  object_check(const object_check&) = delete;
  object_check& operator=(const object_check&) = delete;

  // Null, the address of an object, or outside the heap.
  [[nodiscard]] bool passes(const void* p) const {
    if (!space_.range().contains(p)) return true;
    if (reinterpret_cast<std::uintptr_t>(p) % object_alignment != 0) return false;
    return space_.young.contains(p) ? space_.marks.test(p) : space_.map.is_object(p);
  }

  // How many slots of objects do not pass.
  [[nodiscard]] std::uint64_t dangling_slots() const {
    std::uint64_t count = 0;
    const auto check = [&](object* o) { each_slot(o, [&](void** slot) { count += passes(*slot) ? 0 : 1; }); };
    space_.map.each([&](object* o) {
      if (!space_.is_dead(o)) check(o);
    });
    each_young(check);
    return count;
  }

 private:
  template <class F>
  void each_young(F f) const {
    for (const gcbarrier::address_range run : space_.young.runs()) {
      young_space::each_object_in(run, [&](object* o) {
        if (!is_free(o)) f(o);
      });
    }
  }

  space& space_;
};

// Calls f(object) with every old object whose bit is set in `reachable` and not in the marks.
template <class F>
void find_unmarked(const space& memory, const bitmap& reachable, F f) {
  memory.map.each([&](object* o) {
    if (reachable.test(o) && !memory.marks.test(o)) f(o);
  });
}

}  // namespace gcheap

#endif
