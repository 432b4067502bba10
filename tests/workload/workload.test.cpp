// Every workload gives the same answer on every barrier, and no barrier misses a pointer on the way.
#include <doctest/doctest.h>
#include <heap/workload/workloads.hpp>

#include <cstdint>
#include <optional>
#include <string>

#include "../heap/support.hpp"

TEST_CASE("workloads: the digest does not depend on the barrier, and the verification finds nothing") {
  gcheap::workload::each_workload([]<class Workload>() {
    CAPTURE(Workload::name);
    std::optional<std::uint64_t> first;
    std::size_t ran = 0;
    gcheap::each_barrier([&]<class Barrier>() {
      const std::string barrier(Barrier::name);
      CAPTURE(barrier);
      gcheap::collector_options options = heap_test::small_heap();
      options.first_full_bytes = std::size_t{1} << 20;
      auto heap = gcheap::collector<Barrier>::open(options, gcheap::open_barrier<Barrier>);
      if (!heap) {
        CHECK(barrier == "soft_dirty");  // this kernel may not have it; the others work everywhere
        return;
      }
      const std::uint64_t digest = Workload::run(**heap, 0.01);
      if (!first) first = digest;
      CHECK(digest == *first);
      CHECK((*heap)->statistics().missed_slots == 0);
      CHECK((*heap)->statistics().collections() > 0);
      ++ran;
    });
    CHECK(ran >= 3);
  });
}
