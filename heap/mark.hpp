// The marking half of a full collection.
#ifndef GCHEAP_MARK_HPP
#define GCHEAP_MARK_HPP

#include <gcbarrier/address_range.hpp>

#include <vector>

#include "bitmap.hpp"
#include "object.hpp"

namespace gcheap {

// Marks what is reachable, in a bitmap beside the heap: a mark in the header would dirty every page. A stack
// of its own instead of recursion, so that a long list cannot overflow the thread's.
class marker {
 public:
  // Pointers to outside `heap` (null, constants) are passed over. `marks` covers `heap`.
  marker(bitmap& marks, gcbarrier::address_range heap) : marks_(marks), heap_(heap) {}

  void mark(void* target) {
    if (heap_.contains(target) && marks_.claim(target)) stack_.push_back(static_cast<object*>(target));
  }
  // Marks all that was led to.
  void drain();

 private:
  bitmap& marks_;
  gcbarrier::address_range heap_;
  std::vector<object*> stack_;
};

}  // namespace gcheap

#endif
