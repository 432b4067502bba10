// What a collection does about everything that leads into the heap in another way than roots do.
#ifndef GCHEAP_REFERENCES_HPP
#define GCHEAP_REFERENCES_HPP

#include "ambiguous_roots.hpp"
#include "evacuation.hpp"
#include "finalizers.hpp"
#include "mark.hpp"
#include "pinned.hpp"
#include "space.hpp"
#include "weak.hpp"

namespace gcheap {

struct references {
  weak_references weak;
  pins pinned;
  finalizers finalizable;
  ambiguous_roots ambiguous;

  // Before anything moves.
  void pin(const space& memory, evacuation& moving) {
    const auto pin_young = [&](void* p) {
      if (memory.young.contains(p)) moving.pin(static_cast<object*>(p));
    };
    pinned.each([&](void** slot) { pin_young(*slot); });
    ambiguous.find(memory);
    ambiguous.each(pin_young);
  }

  // After evacuation. Weak references first: they do not see what finalizers bring back.
  void update(const space& memory, evacuation& moving) {
    weak.update(memory.young, moving);
    finalizable.update(memory.young, moving);
  }

  void mark(marker& marks) {
    pinned.each([&](void** slot) { marks.mark(*slot); });
    ambiguous.each([&](object* o) { marks.mark(o); });
    finalizable.each_ready([&](void** slot) { marks.mark(*slot); });
  }
  // After marking, in the same order.
  void forget_unmarked(const space& memory, marker& marks) {
    weak.clear_unmarked(memory.marks);
    finalizable.take_unmarked(memory.marks, [&](object* o) { marks.mark(o); });
    marks.drain();
  }

  // Calls f(slot) with everything that must be null or an object, but for ambiguous words.
  template <class F>
  void each(F f) {
    weak.each(f);
    pinned.each(f);
    finalizable.each(f);
  }
};

}  // namespace gcheap

#endif
