// Binary trees, as in the Benchmarks Game: many short-lived trees of each depth beside one that stays. The
// pure functional case: no old object is ever written, so every barrier in the store path is paid for
// nothing.
#ifndef GCHEAP_WORKLOAD_BINARY_TREES_HPP
#define GCHEAP_WORKLOAD_BINARY_TREES_HPP

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "../roots.hpp"
#include "digest.hpp"
#include "tree.hpp"

namespace gcheap::workload {

struct binary_trees {
  static constexpr const char* name = "binary_trees";

  // `size` 1: depth 17.
  template <class Heap>
  static std::uint64_t run(Heap& heap, double size) {
    constexpr std::size_t least = 4;
    const auto most = static_cast<std::size_t>(std::max(6.0, 17 + std::log2(size)));
    digest sum;
    root<tree> long_lived(heap.roots(), tree_bottom_up(heap, most));
    for (std::size_t depth = least; depth <= most; depth += 4) {
      std::uint64_t nodes = 0;
      for (std::size_t i = std::size_t{1} << (most - depth + least); i > 0; --i) {
        nodes += tree_sum(tree_bottom_up(heap, depth));
      }
      sum.add(nodes);
    }
    sum.add(tree_sum(long_lived));
    return sum.value();
  }
};

}  // namespace gcheap::workload

#endif
