// A graph beside the heap that does what the heap's graph does.
#ifndef GCHEAP_TESTS_SHADOW_HPP
#define GCHEAP_TESTS_SHADOW_HPP

#include <cstdint>
#include <memory>
#include <random>
#include <vector>

#include "support.hpp"

namespace heap_test {

struct shadow {
  std::uint64_t number = 0;
  shadow* left = nullptr;
  shadow* right = nullptr;
};

inline void require_same(const node* real, const shadow* model, int depth) {
  REQUIRE((real == nullptr) == (model == nullptr));
  if (real == nullptr) return;
  REQUIRE(real->number == model->number);
  if (depth == 0) return;
  require_same(real->left, model->left, depth - 1);
  require_same(real->right, model->right, depth - 1);
}

// Some full collections on the way.
template <class Heap>
void mutate_beside_a_shadow(Heap& heap, int steps) {
  constexpr std::size_t size = 20000;  // the array is a large object
  gcheap::root<node_array> real(heap.roots(), heap.template allocate<node_array>(size));
  std::vector<shadow*> model(size, nullptr);
  std::vector<std::unique_ptr<shadow>> owned;
  std::mt19937 random(5);
  for (int step = 0; step < steps; ++step) {
    // Half of the steps stay in a tenth of the array.
    const std::size_t at = random() % 2 == 0 ? random() % size : random() % (size / 10);
    const std::size_t other = random() % size;
    if (model[at] == nullptr || random() % 3 == 0) {
      const auto number = static_cast<std::uint64_t>(step);
      node* const fresh = new_node(heap, number);
      heap.store(fresh->left, (*real)[other].get());
      heap.store((*real)[at], fresh);
      owned.push_back(std::make_unique<shadow>(shadow{number, model[other], nullptr}));
      model[at] = owned.back().get();
    } else if (random() % 16 == 0) {
      heap.store((*real)[at], static_cast<node*>(nullptr));
      model[at] = nullptr;
    } else {
      const bool left = random() % 2 == 0;
      heap.store(left ? (*real)[at]->left : (*real)[at]->right, (*real)[other].get());
      (left ? model[at]->left : model[at]->right) = model[other];
    }
    if (step % (steps / 5) == steps / 5 - 1) {
      heap.collect_full();
      for (std::size_t i = 0; i < size; ++i) require_same((*real)[i], model[i], 3);
    }
  }
}

}  // namespace heap_test

#endif
