// The copying half of a collection: what survives leaves its place in the nursery.
#ifndef GCHEAP_EVACUATION_HPP
#define GCHEAP_EVACUATION_HPP

#include <cstddef>
#include <cstdint>
#include <vector>

#include "bitmap.hpp"
#include "object.hpp"
#include "old_space.hpp"
#include "slot.hpp"
#include "young_space.hpp"

namespace gcheap {

// Everything that is reached from the updated slots is promoted, or is copied to the survivors while it is
// younger than the promotion age and there is room. What must not move, and what the old space has no room
// for, stays where it is. The old slots that point to young objects afterwards are listed, for the barrier to
// retain. The worklists keep their capacity from cycle to cycle.
class evacuation {
 public:
  struct counts {
    std::uint64_t bytes = 0;
    std::uint64_t objects = 0;
  };

  evacuation(young_space& young, old_space& old, unsigned promotion_age)
      : young_(young), old_(old), promotion_age_(promotion_age) {}

  // In this order: begin(), pin() for what must not move, update() for all slots outside the nursery that may
  // point into it, drain(), end().
  void begin();
  // Where to list what is promoted from now on; null: nowhere.
  void list_promoted(std::vector<object*>* list) { list_ = list; }
  void pin(object* young);

  // Makes a slot point to where its object went; moves the object if nobody did.
  void update(void** slot) {
    if (!young_.contains(*slot)) return;
    object* const now = moved(static_cast<object*>(*slot));
    set_slot(slot, now);
    if (young_.contains(now) && !young_.contains(slot)) young_slots_.push_back(slot);
  }
  // The same for the slots of all that was moved or stays.
  void drain();

  // Between drain() and end(): where a young object is now; null if it was not reached.
  [[nodiscard]] object* place_of(object* young) const {
    if (young->is_forwarded()) return young->forwarding();
    return young->is_staying() || young_.is_survivor(young) ? young : nullptr;
  }

  // False: some objects stay because the old space had no room for them.
  [[nodiscard]] bool complete() const { return unplaced_.empty(); }
  // After marking: the young objects that are not marked are gone.
  void forget_unmarked(const bitmap& marks);
  // Then, after a sweep made room: update() and drain() once more, to place those that stay for want of it.
  void begin_again();

  void end();

  // Updated slots outside the nursery that point into it: old ones, and roots.
  [[nodiscard]] std::vector<void**>& young_slots() { return young_slots_; }
  [[nodiscard]] counts promoted() const { return promoted_; }
  [[nodiscard]] counts survived() const { return survived_; }  // those that were copied in the nursery
  [[nodiscard]] counts overflowed() const {
    return overflowed_;
  }  // promoted before their time, for want of room
  [[nodiscard]] std::size_t pinned() const { return pinned_.size(); }

 private:
  object* moved(object* from);
  object* survivor(object* from, std::size_t bytes);
  object* copied(object* from, object* to, std::size_t bytes, counts& counted);

  young_space& young_;
  old_space& old_;
  unsigned promotion_age_;
  std::vector<object*> pending_;  // moved or staying, their slots not yet updated
  std::vector<object*> pinned_;
  std::vector<object*> unplaced_;
  std::vector<void**> young_slots_;
  std::vector<object*>* list_ = nullptr;
  counts promoted_;
  counts survived_;
  counts overflowed_;
};

}  // namespace gcheap

#endif
