// The copying half of a collection: survivors leave the nursery for the old space.
#ifndef GCHEAP_EVACUATION_HPP
#define GCHEAP_EVACUATION_HPP

#include <cstddef>
#include <cstdint>
#include <vector>

#include "nursery.hpp"
#include "object.hpp"
#include "old_space.hpp"

namespace gcheap {

// Everything that is reached from the updated slots is promoted at once. What the old space has no room for
// stays where it is, and the old slots that point to it are listed, for the barrier to retain. The worklists
// keep their capacity from cycle to cycle.
class evacuation {
 public:
  evacuation(const nursery& young, old_space& old) : young_(young), old_(old) {}

  void begin();

  // Makes a slot point to where its object went; moves the object if nobody did.
  void update(void** slot) {
    if (!young_.contains(*slot)) return;
    object* const now = moved(static_cast<object*>(*slot));
    *slot = now;
    if (young_.contains(now) && !young_.contains(slot)) young_slots_.push_back(slot);
  }
  // The same for all that was moved. Call when the roots and the remembered slots are updated.
  void drain();

  // False: some objects are still in the nursery.
  [[nodiscard]] bool complete() const { return staying_.empty(); }
  // Updated slots that point into the nursery still: old ones, and roots.
  [[nodiscard]] std::vector<void**>& young_slots() { return young_slots_; }
  [[nodiscard]] std::uint64_t promoted_bytes() const { return promoted_bytes_; }
  [[nodiscard]] std::uint64_t promoted_objects() const { return promoted_objects_; }

 private:
  object* moved(object* from);

  const nursery& young_;
  old_space& old_;
  std::vector<object*> pending_;  // moved or staying, their slots not yet updated
  std::vector<object*> staying_;
  std::vector<void**> young_slots_;
  std::uint64_t promoted_bytes_ = 0;
  std::uint64_t promoted_objects_ = 0;
};

}  // namespace gcheap

#endif
