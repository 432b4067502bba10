#include "evacuation.hpp"

#include <cstring>

namespace gcheap {

void evacuation::begin() {
  staying_.clear();
  young_slots_.clear();
  promoted_bytes_ = promoted_objects_ = 0;
}

object* evacuation::moved(object* from) {
  if (from->is_forwarded()) return from->forwarding();
  if (from->is_staying()) return from;
  const std::size_t bytes = bytes_of(from);
  object* const copy = old_.allocate(from->kind(), bytes);
  if (copy == nullptr) {
    from->set_staying(true);
    staying_.push_back(from);
    pending_.push_back(from);
    return from;
  }
  std::memcpy(static_cast<void*>(copy), from, bytes);
  from->forward_to(copy);
  promoted_bytes_ += bytes;
  ++promoted_objects_;
  pending_.push_back(copy);
  return copy;
}

void evacuation::drain() {
  while (!pending_.empty()) {
    object* const o = pending_.back();
    pending_.pop_back();
    each_slot(o, [this](void** slot) { update(slot); });
  }
  for (object* const o : staying_) o->set_staying(false);
}

}  // namespace gcheap
