// Old objects that nobody writes go to huge pages at full collections, and the collector misses nothing.
#include "support.hpp"

namespace {

using gcheap::root;
using heap_test::blob;
using heap_test::new_node;
using heap_test::node_array;
using heap_test::open_heap;

constexpr std::size_t count = 4000;

// Ten times as much as is written. Returns how many huge pages there were.
template <class Barrier>
std::uint64_t run(std::uint64_t huge_page_ns) {
  gcheap::collector_options options = heap_test::small_heap();
  options.huge_page_ns = huge_page_ns;
  auto heap = open_heap<Barrier>(options);
  root<node_array> array(heap->roots(), heap->template allocate<node_array>(count));
  for (std::size_t i = 0; i < count; ++i) {
    heap->store((*array)[i], new_node(*heap, i));
    auto* const data = heap->template allocate<blob>(4000);
    heap->store((*array)[i]->left, reinterpret_cast<heap_test::node*>(data));  // any object will do
  }
  for (int i = 0; i < 40; ++i) heap->collect_minor();
  heap->collect_full();
  // Everything is written once more, what lies on huge pages too.
  for (int round = 0; round < 3; ++round) {
    for (std::size_t i = 0; i < count; ++i)
      heap->store((*array)[i]->right, new_node(*heap, round * count + i));
    heap->collect_minor();
    heap->collect_full();
  }
  for (std::size_t i = 0; i < count; ++i) {
    CHECK((*array)[i]->number == i);
    CHECK((*array)[i]->right->number == 2 * count + i);
  }
  CHECK(heap->statistics().missed_slots == 0);
  return heap->statistics().huge_pages;
}

}  // namespace

TEST_CASE_TEMPLATE("cold old objects go to huge pages where that is asked for", Barrier,
                   gcheap::uffd_async_barrier, gcheap::uffd_cost_barrier) {
  CHECK(run<Barrier>(0) == 0);
  CHECK(run<Barrier>(1'000'000'000) > 0);
}

TEST_CASE("without uffd_async there are no huge pages, and no harm") {
  CHECK(run<gcbarrier::card_table>(1'000'000'000) == 0);
  CHECK(run<gcheap::mprotect_barrier>(1'000'000'000) == 0);
}
