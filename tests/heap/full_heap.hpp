// Filling a heap until there is no more room.
#ifndef GCHEAP_TESTS_FULL_HEAP_HPP
#define GCHEAP_TESTS_FULL_HEAP_HPP

#include <cstddef>
#include <cstdint>

#include "support.hpp"

namespace heap_test {

// A heap with one step of old space.
inline gcheap::collector_options tiny_heap() {
  gcheap::collector_options options = small_heap();
  options.nursery_bytes = std::size_t{1} << 20;
  options.old_bytes = gcheap::arena_step;
  return options;
}

// Puts nodes with a blob each in front of a list until the heap is full. Returns their number.
template <class Heap>
std::uint64_t fill(Heap& heap, gcheap::root<node>& list) {
  for (std::uint64_t count = 0;; ++count) {
    gcheap::root<blob> data(heap.roots(), heap.template allocate<blob>(4000));
    if (data == nullptr) return count;
    node* const head = heap.template allocate<node>();
    if (head == nullptr) return count;
    head->number = count;
    heap.store(head->left, list.get());
    heap.store(head->right, reinterpret_cast<node*>(data.get()));  // any object will do
    list = head;
  }
}

}  // namespace heap_test

#endif
