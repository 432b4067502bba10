#include "mark.hpp"

namespace gcheap {

void marker::mark_from(roots& list) {
  list.each([this](void** slot) { push(*slot); });
  while (!stack_.empty()) {
    object* const o = stack_.back();
    stack_.pop_back();
    each_slot(o, [this](void** slot) { push(*slot); });
  }
}

}  // namespace gcheap
