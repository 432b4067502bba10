// A sweep done bit by bit, in the pauses that follow the marking.
#ifndef GCHEAP_LAZY_SWEEP_HPP
#define GCHEAP_LAZY_SWEEP_HPP

#include <cstddef>

#include "object.hpp"
#include "space.hpp"

namespace gcheap {

// Not on the marker's thread: freeing writes to the objects that die, so there each page of them would take a
// fault and be searched in the next collection; before rearm() it costs neither. Until it is freed a dead
// object lies in the map, and space::is_dead() tells it from others.
//
// The collector's thread, with the world stopped.
class lazy_sweep {
 public:
  explicit lazy_sweep(space& memory) : memory_(memory) {}

  // The marks are complete, and the sweep's until it is done.
  void begin() { memory_.first_unswept = 0; }
  [[nodiscard]] bool pending() const { return memory_.first_unswept < memory_.map.chunk_count(); }

  // An object that became old since then.
  void born(const object* fresh) {
    if (memory_.map.chunk_of(fresh) >= memory_.first_unswept) memory_.marks.set(fresh);
  }

  // Sweeps about so much of the old space. Returns the bytes freed.
  std::size_t step(std::size_t bytes) {
    std::size_t freed = 0;
    for (std::size_t swept = 0; swept < bytes && pending(); ++memory_.first_unswept) {
      if (memory_.map.is_empty(memory_.first_unswept)) continue;
      freed += memory_.old->sweep(memory_.marks, memory_.first_unswept);
      swept += object_map::chunk_bytes;
    }
    return freed;
  }

  // Leaves the rest of the dead where they are: for a full collection with the world stopped, in this pause.
  void abandon() {
    for (; pending(); ++memory_.first_unswept) memory_.map.clear(memory_.marks, memory_.first_unswept);
  }

 private:
  space& memory_;
};

}  // namespace gcheap

#endif
