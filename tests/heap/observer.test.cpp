// What a watcher is told of a collection.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <heap/observer.hpp>
#include <span>
#include <vector>

#include "support.hpp"

namespace {

using heap_test::node;

struct notes final : gcheap::observer {
  void found(gcbarrier::dirty_set written, std::span<void** const> slots) override {
    CHECK(open == 0);
    ++open;
    runs.clear();
    for (const gcbarrier::address_range run : written) runs.push_back(run);
    remembered.assign(slots.begin(), slots.end());
  }
  void collected(bool full, std::uint64_t pause_ns, std::uint64_t observer_ns) override {
    CHECK(observer_ns >= spent_ns);
    spent_ns = observer_ns;
    CHECK(open == 1);
    --open;
    was_full.push_back(full);
    pauses.push_back(pause_ns);
  }
  [[nodiscard]] bool wrote(const void* address) const {
    return std::any_of(runs.begin(), runs.end(), [&](const auto& run) { return run.contains(address); });
  }

  int open = 0;
  std::uint64_t spent_ns = 0;
  std::vector<gcbarrier::address_range> runs;
  std::vector<void**> remembered;
  std::vector<bool> was_full;
  std::vector<std::uint64_t> pauses;
};

TEST_CASE_TEMPLATE("a watcher sees each collection, what was written and what was found there", Barrier,
                   HEAP_TEST_EXACT_BARRIERS) {
  auto heap = heap_test::open_heap<Barrier>();
  notes seen;
  heap->observe(&seen);
  gcheap::root<node> old(heap->roots(), heap_test::new_node(*heap, 1));
  heap->collect_minor();
  heap->collect_minor();
  heap->store(old->left, heap_test::new_node(*heap, 2));
  heap->collect_minor();
  CHECK(seen.wrote(old->left.slot()));
  CHECK(std::count(seen.remembered.begin(), seen.remembered.end(), old->left.slot()) == 1);
  heap->collect_minor();
  CHECK_FALSE(seen.wrote(old->left.slot()));
  CHECK(seen.remembered.empty());
  heap->collect_full();
  CHECK(seen.was_full == std::vector<bool>{false, false, false, false, true});
  std::uint64_t sum = 0;
  for (const std::uint64_t pause : seen.pauses) sum += pause;
  CHECK(sum == heap->statistics().pause_ns());
  CHECK(seen.spent_ns > 0);
  CHECK(heap->statistics().observer_ns > seen.spent_ns);
  CHECK(old->left->number == 2);

  heap->observe(nullptr);
  heap->collect_minor();
  CHECK(seen.pauses.size() == 5);
}

}  // namespace
