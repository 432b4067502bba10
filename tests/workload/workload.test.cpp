// Every workload gives the same answer on every barrier, and no barrier misses a pointer on the way.
#include <doctest/doctest.h>
#include <heap/shared_heap.hpp>
#include <heap/workload/workloads.hpp>

#include <cstdint>
#include <optional>
#include <string>

#include "../heap/support.hpp"

namespace {

// `run` returns the digest and checks what it ran, or nothing where this machine cannot have the barrier.
template <class F>
void require_one_digest(F run) {
  std::optional<std::uint64_t> first;
  std::size_t ran = 0;
  gcheap::each_barrier([&]<class Barrier>() {
    const std::string barrier(Barrier::name);
    CAPTURE(barrier);
    const std::optional<std::uint64_t> digest = run.template operator()<Barrier>();
    if (!digest) {
      CHECK(barrier == "soft_dirty");  // this kernel may not have it; the others work everywhere
      return;
    }
    if (!first) first = digest;
    CHECK(*digest == *first);
    ++ran;
  });
  CHECK(ran >= 3);
}

gcheap::collector_options options() {
  gcheap::collector_options options = heap_test::small_heap();
  options.first_full_bytes = std::size_t{1} << 20;
  return options;
}

template <class Collector>
void check(const Collector& heap) {
  CHECK(heap.statistics().missed_slots == 0);
  CHECK(heap.statistics().collections() > 0);
}

}  // namespace

TEST_CASE("workloads: the digest does not depend on the barrier, and the verification finds nothing") {
  gcheap::workload::each_workload([]<class Workload>() {
    CAPTURE(Workload::name);
    require_one_digest([]<class Barrier>() -> std::optional<std::uint64_t> {
      auto heap = gcheap::collector<Barrier>::open(options(), gcheap::open_barrier<Barrier>);
      if (!heap) return std::nullopt;
      const std::uint64_t digest = Workload::run(**heap, 0.01);
      check(**heap);
      return digest;
    });
  });
}

TEST_CASE("workloads: nor does it depend on the order in which several threads come") {
  gcheap::workload::each_threaded_workload([]<class Workload>() {
    CAPTURE(Workload::name);
    require_one_digest([]<class Barrier>() -> std::optional<std::uint64_t> {
      auto heap = gcheap::shared_heap<Barrier>::open(options(), gcheap::open_barrier<Barrier>);
      if (!heap) return std::nullopt;
      const std::uint64_t digest = Workload::run(**heap, 0.01);
      CHECK(digest == Workload::run(**heap, 0.01));
      (*heap)->stopped([](auto& collector) { check(collector); });
      return digest;
    });
  });
}
