#include "mark.hpp"

namespace gcheap {

void marker::drain() {
  while (!stack_.empty()) {
    object* const o = stack_.back();
    stack_.pop_back();
    each_slot(o, [this](void** slot) { mark(*slot); });
  }
}

}  // namespace gcheap
