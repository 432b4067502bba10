// How far the old space grows before it is swept.
#include <heap/growth.hpp>

#include "support.hpp"

namespace {

using gcheap::root;
using heap_test::blob;
using heap_test::open_heap;

constexpr std::size_t mib = std::size_t{1} << 20;

TEST_CASE("growth: the first full collection is due at the given size, the next when the rest has grown") {
  gcheap::growth_policy policy(10 * mib, 2.0);
  CHECK_FALSE(policy.is_full_due(10 * mib));
  CHECK(policy.is_full_due(10 * mib + 1));
  policy.full_collection_left(8 * mib);
  CHECK_FALSE(policy.is_full_due(16 * mib));
  CHECK(policy.is_full_due(16 * mib + 1));
  policy.full_collection_left(mib);
  CHECK_FALSE(policy.is_full_due(10 * mib));
  CHECK(policy.is_full_due(10 * mib + 1));
}

TEST_CASE_TEMPLATE("growth: garbage alone never takes more memory than the first full collection allows",
                   Barrier, HEAP_TEST_SOME_BARRIERS) {
  gcheap::collector_options options = heap_test::small_heap();
  options.verify = false;
  options.old_bytes = 512 * mib;
  auto heap = open_heap<Barrier>(options);  // the first at 8 MiB
  std::size_t highest = 0;
  for (int i = 0; i < 400; ++i) {
    (void)heap->template allocate<blob>(mib / 2);
    highest = std::max(highest, heap->old_live_bytes());
  }
  CHECK(highest <= 8 * mib + mib);
  CHECK(heap->statistics().full_pauses().size() >= 200 / 9);
}

TEST_CASE_TEMPLATE("growth: with more live data full collections come more rarely", Barrier,
                   gcbarrier::card_table, gcheap::uffd_async_barrier) {
  const auto full_collections = [](std::size_t live) {
    gcheap::collector_options options = heap_test::small_heap();
    options.verify = false;
    options.old_bytes = 512 * mib;
    auto heap = open_heap<Barrier>(options);
    const root<blob> kept(heap->roots(), heap->template allocate<blob>(live));
    heap->collect_full();
    const std::size_t before = heap->statistics().full_pauses().size();
    for (int i = 0; i < 400; ++i) (void)heap->template allocate<blob>(mib / 2);
    return heap->statistics().full_pauses().size() - before;
  };
  CHECK(full_collections(50 * mib) < full_collections(mib) / 3);
}

}  // namespace
