// The binary tree that GCBench and binary trees build.
#ifndef GCHEAP_WORKLOAD_TREE_HPP
#define GCHEAP_WORKLOAD_TREE_HPP

#include <cstddef>
#include <cstdint>

#include "../object.hpp"
#include "../roots.hpp"
#include "../type.hpp"
#include "out_of_memory.hpp"

namespace gcheap::workload {

struct tree {
  object header;
  field<tree> left;
  field<tree> right;
  std::uint64_t number;

  static const type kind;
};
inline const type tree::kind = describe<tree, offsetof(tree, left), offsetof(tree, right)>("tree");

constexpr std::size_t tree_nodes(std::size_t depth) {
  return (std::size_t{2} << depth) - 1;
}

// Children first: every pointer store is into a new object.
template <class Heap>
tree* tree_bottom_up(Heap& heap, std::size_t depth) {
  if (depth == 0) return make<tree>(heap);
  root<tree> left(heap.roots(), tree_bottom_up(heap, depth - 1));
  root<tree> right(heap.roots(), tree_bottom_up(heap, depth - 1));
  tree* const fresh = make<tree>(heap);
  heap.store(fresh->left, left.get());
  heap.store(fresh->right, right.get());
  fresh->number = depth;
  return fresh;
}

// Parents first: a parent may be old by the time that it gets its second child.
template <class Heap>
void tree_top_down(Heap& heap, root<tree>& top, std::size_t depth) {
  top->number = depth;
  if (depth == 0) return;
  root<tree> child(heap.roots(), make<tree>(heap));
  heap.store(top->left, child.get());
  tree_top_down(heap, child, depth - 1);
  child = make<tree>(heap);
  heap.store(top->right, child.get());
  tree_top_down(heap, child, depth - 1);
}

inline std::uint64_t tree_sum(const tree* top) {
  if (top == nullptr) return 0;
  return 1 + top->number + tree_sum(top->left) + tree_sum(top->right);
}

}  // namespace gcheap::workload

#endif
