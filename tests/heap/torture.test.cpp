// Every workload with a collection at every n-th allocation, with everything that can be asked for, checked.
#include <heap/torture.hpp>
#include <heap/workload/workloads.hpp>

#include <cstdint>
#include <optional>
#include <string>

#include "support.hpp"

namespace {

using gcheap::torture;
using heap_test::open_heap;

TEST_CASE("torture: a collection at every n-th allocation, every 16th of them full") {
  torture every_third(3);
  std::size_t minor = 0;
  std::size_t full = 0;
  for (int i = 0; i < 3 * 16 * 5; ++i) {
    const torture::collection due = every_third.next();
    CHECK((due != torture::collection::none) == (i % 3 == 2));
    minor += due == torture::collection::minor ? 1 : 0;
    full += due == torture::collection::full ? 1 : 0;
  }
  CHECK(full == 5);
  CHECK(minor == 5 * 15);
  CHECK(torture(1).is_on());
  CHECK_FALSE(torture(0).is_on());
}

TEST_CASE_TEMPLATE("torture: it collects as often as asked", Barrier, HEAP_TEST_BARRIERS) {
  gcheap::collector_options options = heap_test::small_heap();
  options.torture = 1;
  auto heap = open_heap<Barrier>(options);
  for (int i = 0; i < 64; ++i) (void)heap_test::new_node(*heap, 1);
  CHECK(heap->statistics().minor_pauses().size() == 60);
  CHECK(heap->statistics().full_pauses().size() == 4);
  (void)heap->template allocate<heap_test::blob>(std::size_t{1} << 20);
  CHECK(heap->statistics().collections() == 65);
}

// What torture is for: a pointer that should have been a root.
TEST_CASE("torture: a pointer held without a root over an allocation is stale at once") {
  gcheap::collector_options options = heap_test::small_heap();
  options.torture = 1;
  auto heap = open_heap<gcheap::uffd_async_barrier>(options);
  const gcheap::root<heap_test::node> held(heap->roots(), heap_test::new_node(*heap, 1));
  const heap_test::node* const raw = held;
  (void)heap_test::new_node(*heap, 2);
  CHECK(held.get() != raw);
}

template <class Barrier>
void torture_all(gcheap::collector_options options) {
  gcheap::workload::each_workload([&]<class Workload>() {
    const std::string name = Workload::name;
    CAPTURE(name);
    constexpr double size = 0.0005;
    options.torture = name.starts_with("scheme") ? 97 : 7;  // an interpreter allocates all the time
    static const std::uint64_t expected =
        Workload::run(*open_heap<gcbarrier::no_barrier>(heap_test::small_heap()), size);
    auto heap = open_heap<Barrier>(options);
    CHECK(Workload::run(*heap, size) == expected);
    const gcheap::statistics& s = heap->statistics();
    CHECK(s.collections() > 20);
    CHECK(s.missed_slots == 0);
    CHECK(s.dangling_slots == 0);
  });
}

TEST_CASE_TEMPLATE("torture: every workload gives its answer", Barrier, HEAP_TEST_PRECISE_BARRIERS) {
  torture_all<Barrier>(heap_test::small_heap());
}

TEST_CASE_TEMPLATE("torture: every workload gives its answer with survivors and a conservative stack",
                   Barrier, HEAP_TEST_PRECISE_BARRIERS) {
  gcheap::collector_options options = heap_test::ageing_heap(2);
  options.conservative_stack = true;
  torture_all<Barrier>(options);
}

}  // namespace
