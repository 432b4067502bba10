// For whoever watches a collector at work.
#ifndef GCHEAP_OBSERVER_HPP
#define GCHEAP_OBSERVER_HPP

#include <gcbarrier/dirty_set.hpp>

#include <cstddef>
#include <cstdint>
#include <span>

namespace gcheap {

// Called twice in each collection, with the mutator stopped. The time it takes is in no pause. It must not
// touch the heap.
class observer {
 public:
  virtual ~observer() = default;

  // Before anything moves: what the barrier says was written, and the old slots in it that point into the
  // nursery, some of them perhaps twice. Both are good during the call only.
  virtual void found(gcbarrier::dirty_set written, std::span<void** const> slots) = 0;

  // After the last step, which makes the barrier ready again. `full`: the old space was collected too.
  // `observer_ns`: how long all calls so far have taken, with what it took to prepare them.
  virtual void collected(bool full, std::uint64_t pause_ns, std::uint64_t observer_ns) = 0;
};

}  // namespace gcheap

#endif
