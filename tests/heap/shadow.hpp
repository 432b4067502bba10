// A graph in the heap, changed at random, and one beside the heap that is changed in the same way.
#ifndef GCHEAP_TESTS_SHADOW_HPP
#define GCHEAP_TESTS_SHADOW_HPP

#include <cstddef>
#include <cstdint>
#include <memory>
#include <random>
#include <vector>

#include "support.hpp"

namespace heap_test {

template <class Heap>
class shadowed_graph {
 public:
  // An array of `size` nodes, with edges between them.
  shadowed_graph(Heap& heap, std::size_t size, unsigned seed)
      : heap_(heap),
        real_(heap.roots(), heap.template allocate<node_array>(size)),
        model_(size, nullptr),
        random_(seed) {}

  // New nodes, edges to others, nodes dropped.
  void change() {
    const std::size_t size = model_.size();
    // Half of the changes stay in a tenth of the array.
    const std::size_t at = random_() % 2 == 0 ? random_() % size : random_() % (size / 10);
    const std::size_t other = random_() % size;
    if (model_[at] == nullptr || random_() % 3 == 0) {
      const std::uint64_t number = owned_.size();
      node* const fresh = new_node(heap_, number);
      heap_.store(fresh->left, (*real_)[other].get());
      heap_.store((*real_)[at], fresh);
      owned_.push_back(std::make_unique<shadow>(shadow{number, model_[other], nullptr}));
      model_[at] = owned_.back().get();
    } else if (random_() % 16 == 0) {
      heap_.store((*real_)[at], static_cast<node*>(nullptr));
      model_[at] = nullptr;
    } else {
      const bool left = random_() % 2 == 0;
      heap_.store(left ? (*real_)[at]->left : (*real_)[at]->right, (*real_)[other].get());
      (left ? model_[at]->left : model_[at]->right) = model_[other];
    }
  }

  // That the two are the same, as far as three edges from the array.
  void check() {
    for (std::size_t i = 0; i < model_.size(); ++i) require_same((*real_)[i], model_[i], 3);
  }

 private:
  struct shadow {
    std::uint64_t number = 0;
    shadow* left = nullptr;
    shadow* right = nullptr;
  };

  static void require_same(const node* real, const shadow* model, int depth) {
    REQUIRE((real == nullptr) == (model == nullptr));
    if (real == nullptr) return;
    REQUIRE(real->number == model->number);
    if (depth == 0) return;
    require_same(real->left, model->left, depth - 1);
    require_same(real->right, model->right, depth - 1);
  }

  Heap& heap_;
  gcheap::root<node_array> real_;
  std::vector<shadow*> model_;
  std::vector<std::unique_ptr<shadow>> owned_;
  std::mt19937 random_;
};

// Some full collections on the way.
template <class Heap>
void mutate_beside_a_shadow(Heap& heap, int steps) {
  shadowed_graph graph(heap, 20000, 5);  // the array is a large object
  for (int step = 0; step < steps; ++step) {
    graph.change();
    if (step % (steps / 5) != steps / 5 - 1) continue;
    heap.collect_full();
    graph.check();
  }
}

}  // namespace heap_test

#endif
