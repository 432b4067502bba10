// All workloads, one way: each has a name and runs on any heap, and its digest must not depend on the
// barrier.
#ifndef GCHEAP_WORKLOAD_WORKLOADS_HPP
#define GCHEAP_WORKLOAD_WORKLOADS_HPP

#include "binary_trees.hpp"
#include "gcbench.hpp"
#include "graph.hpp"
#include "hash_churn.hpp"
#include "lru_cache.hpp"
#include "scheme.hpp"
#include "server_cache.hpp"
#include "sort.hpp"
#include "splay.hpp"
#include "strings.hpp"

namespace gcheap::workload {

// Calls f.template operator()<Workload>() for each. Workload::run(heap, size) returns the digest; `size` 1
// takes seconds and needs up to 256 MiB of old space, and less or more in proportion.
template <class F>
void each_workload(F f) {
  f.template operator()<gcbench>();
  f.template operator()<binary_trees>();
  f.template operator()<splay>();
  f.template operator()<lru_cache>();
  f.template operator()<hash_churn>();
  f.template operator()<graph_local>();
  f.template operator()<graph_mixed>();
  f.template operator()<graph_scattered>();
  f.template operator()<sort>();
  f.template operator()<strings>();
  f.template operator()<scheme_functional>();
  f.template operator()<scheme_mutating>();
  f.template operator()<scheme_arrays>();
}

// The same for those that are of several threads: their run() takes a shared_heap.
template <class F>
void each_threaded_workload(F f) {
  f.template operator()<server_cache>();
}

}  // namespace gcheap::workload

#endif
