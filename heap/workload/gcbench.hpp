// GCBench, after the program by Ellis, Kovac and Boehm: one large tree and one large array that live to the
// end, while ever more short-lived trees are built top down and bottom up. Stresses allocation and promotion;
// nearly all of the old space is never written again, which is what a barrier in the page tables is best at.
#ifndef GCHEAP_WORKLOAD_GCBENCH_HPP
#define GCHEAP_WORKLOAD_GCBENCH_HPP

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "../roots.hpp"
#include "arrays.hpp"
#include "digest.hpp"
#include "tree.hpp"

namespace gcheap::workload {

struct gcbench {
  static constexpr const char* name = "gcbench";

  // `size` 1: a long-lived tree of 2^19 nodes.
  template <class Heap>
  static std::uint64_t run(Heap& heap, double size) {
    const auto depth = static_cast<std::size_t>(std::max(6.0, 18 + std::log2(size)));
    digest sum;
    sum.add(tree_sum(tree_bottom_up(heap, depth)));  // stretches the heap, and is dropped

    root<tree> long_lived(heap.roots(), make<tree>(heap));
    tree_top_down(heap, long_lived, depth);
    root<text> numbers(heap.roots(), make<text>(heap, tree_nodes(depth) * sizeof(double)));

    for (std::size_t d = 4; d <= depth - 2; d += 2) {
      const std::size_t repeats = 2 * tree_nodes(depth) / tree_nodes(d);
      for (std::size_t i = 0; i < repeats; ++i) {
        root<tree> down(heap.roots(), make<tree>(heap));
        tree_top_down(heap, down, d);
        sum.add(tree_sum(down) + tree_sum(tree_bottom_up(heap, d)));
      }
    }
    sum.add(tree_sum(long_lived));
    sum.add(numbers->view().size());
    return sum.value();
  }
};

}  // namespace gcheap::workload

#endif
