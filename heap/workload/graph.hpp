// A large graph whose edges are redirected, with a chosen locality: of every 16 changes so many fall into a
// window of one 64th of the nodes that wanders, the others anywhere. What a simulation, a solver or an object
// database does; between the two extremes lies the question that a page-grained barrier has to answer. Its
// types are declared scattered, for the hybrid barrier; to the others that is all the same.
#ifndef GCHEAP_WORKLOAD_GRAPH_HPP
#define GCHEAP_WORKLOAD_GRAPH_HPP

#include <cstddef>
#include <cstdint>

#include "../object.hpp"
#include "../roots.hpp"
#include "../type.hpp"
#include "arrays.hpp"
#include "digest.hpp"
#include "out_of_memory.hpp"
#include "random.hpp"

namespace gcheap::workload {

struct graph_node {
  static constexpr std::size_t degree = 4;

  object header;
  scattered_field<graph_node> edges[degree];
  std::uint64_t number;

  static const type kind;
};
inline const type graph_node::kind =
    describe_scattered<graph_node, offsetof(graph_node, edges), offsetof(graph_node, edges) + 8,
                       offsetof(graph_node, edges) + 16, offsetof(graph_node, edges) + 24>("graph_node");

// `LocalOf16`: how many of 16 changes are local.
template <std::size_t LocalOf16>
struct graph_changes {
  static constexpr const char* name = LocalOf16 == 16  ? "graph_local"
                                      : LocalOf16 == 0 ? "graph_scattered"
                                                       : "graph_mixed";

  // `size` 1: 500,000 nodes, 5 million changes, one in 8 of which replaces a node.
  template <class Heap>
  static std::uint64_t run(Heap& heap, double size) {
    const auto nodes = static_cast<std::size_t>(500000 * size) + 128;
    random_numbers random(4);
    root<scattered_array<graph_node>> all(heap.roots(), make<scattered_array<graph_node>>(heap, nodes));
    for (std::size_t i = 0; i < nodes; ++i) replace(heap, all, i, i, random);
    const std::size_t window = nodes / 64;
    for (std::size_t change = 0; change < 10 * nodes; ++change) {
      const bool local = change % 16 < LocalOf16;
      const std::size_t start = change / nodes * window;
      const std::size_t from = local ? start + random.below(window) : random.below(nodes);
      if (change % 8 == 0) {
        replace(heap, all, from, nodes + change, random);
      } else {
        heap.store((*all)[from]->edges[random.below(graph_node::degree)], (*all)[random.below(nodes)].get());
      }
    }
    digest sum;
    for (std::size_t i = 0; i < nodes; ++i) {
      const graph_node* const n = (*all)[i];
      sum.add(n->number);
      for (const scattered_field<graph_node>& edge : n->edges)
        sum.add(edge.get() == nullptr ? 0 : edge->number);
    }
    return sum.value();
  }

 private:
  template <class Heap>
  static void replace(Heap& heap, root<scattered_array<graph_node>>& all, std::size_t at,
                      std::uint64_t number, random_numbers& random) {
    auto* const fresh = make<graph_node>(heap);
    fresh->number = number;
    for (scattered_field<graph_node>& edge : fresh->edges)
      heap.store(edge, (*all)[random.below(all->size())].get());
    heap.store((*all)[at], fresh);
  }
};

using graph_local = graph_changes<16>;
using graph_mixed = graph_changes<14>;
using graph_scattered = graph_changes<0>;

}  // namespace gcheap::workload

#endif
