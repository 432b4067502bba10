#include "evacuation.hpp"

#include <algorithm>
#include <cstring>

namespace gcheap {

void evacuation::begin() {
  young_slots_.clear();
  promoted_ = survived_ = overflowed_ = {};
}

void evacuation::pin(object* young) {
  if (young->is_staying()) return;
  young->set_staying(true);
  pinned_.push_back(young);
  pending_.push_back(young);
}

object* evacuation::moved(object* from) {
  if (from->is_forwarded()) return from->forwarding();
  if (from->is_staying() || young_.is_survivor(from)) return from;
  const std::size_t bytes = bytes_of(from);
  if (from->age() < promotion_age_) {
    if (object* const copy = survivor(from, bytes)) return copy;
  }
  if (object* const room = old_.allocate(from->kind(), bytes)) {
    if (list_ != nullptr) list_->push_back(room);
    return copied(from, room, bytes, promoted_);
  }
  from->set_staying(true);
  unplaced_.push_back(from);
  pending_.push_back(from);
  return from;
}

object* evacuation::survivor(object* from, std::size_t bytes) {
  void* const room = young_.allocate_survivor(bytes);
  if (room == nullptr) {
    overflowed_.bytes += bytes;
    ++overflowed_.objects;
    return nullptr;
  }
  object* const copy = copied(from, static_cast<object*>(room), bytes, survived_);
  copy->grow_older();
  return copy;
}

object* evacuation::copied(object* from, object* to, std::size_t bytes, counts& counted) {
  std::memcpy(static_cast<void*>(to), from, bytes);
  from->forward_to(to);
  counted.bytes += bytes;
  ++counted.objects;
  pending_.push_back(to);
  return to;
}

void evacuation::drain() {
  while (!pending_.empty()) {
    object* const o = pending_.back();
    pending_.pop_back();
    each_slot(o, [this](void** slot) { update(slot); });
  }
}

void evacuation::forget_unmarked(const bitmap& marks) {
  young_.each_survivor([&](object* o) {
    if (!marks.test(o)) make_free({o, bytes_of(o)});
  });
  std::erase_if(unplaced_, [&](object* o) { return !marks.test(o); });
}

void evacuation::begin_again() {
  young_slots_.clear();
  for (object* const o : unplaced_) o->set_staying(false);
  unplaced_.clear();
  pending_ = pinned_;
  young_.each_survivor([this](object* o) { pending_.push_back(o); });
}

void evacuation::end() {
  for (object* const o : unplaced_) o->set_staying(false);
  for (object* const o : pinned_) o->set_staying(false);
  unplaced_.insert(unplaced_.end(), pinned_.begin(), pinned_.end());
  std::sort(unplaced_.begin(), unplaced_.end());
  young_.end_evacuation(unplaced_);
  unplaced_.clear();
  pinned_.clear();
}

}  // namespace gcheap
