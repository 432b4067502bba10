// Weak references: pointers outside the heap that follow their objects and do not keep them alive.
#ifndef GCHEAP_WEAK_HPP
#define GCHEAP_WEAK_HPP

#include <gcbarrier/address_range.hpp>

#include "bitmap.hpp"
#include "evacuation.hpp"
#include "roots.hpp"
#include "young_space.hpp"

namespace gcheap {

// Each collection goes through all of them.
class weak_references : public roots {
 public:
  // After evacuation: those to young objects follow them, or become null.
  void update(const young_space& young, const evacuation& survivors) {
    each([&](void** slot) {
      if (young.contains(*slot)) *slot = survivors.place_of(static_cast<object*>(*slot));
    });
  }
  // After marking: those to objects that are not marked become null.
  void clear_unmarked(const bitmap& marks) {
    each([&](void** slot) {
      if (marks.covered().contains(*slot) && !marks.test(*slot)) *slot = nullptr;
    });
  }
};

// Null once its object is unreachable and a collection has noticed: a minor one for a young object, a full
// one for an old one. Before the object's finalizer is called, so that nobody gets hold of an object that is
// being finalized. What get() returns is no root.
template <class T>
class weak : private root<T> {
 public:
  explicit weak(weak_references& list, T* value = nullptr) : root<T>(list, value) {}
  weak& operator=(T* value) {
    root<T>::operator=(value);
    return *this;
  }
  using root<T>::get;
};

}  // namespace gcheap

#endif
