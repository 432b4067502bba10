// Large objects: pages of their own, used again when they are dead.
#include <algorithm>
#include <random>
#include <vector>

#include "support.hpp"

namespace {

using gcbarrier::address_range;
using gcheap::root;
using heap_test::blob;
using heap_test::new_node;
using heap_test::node;
using heap_test::node_array;
using heap_test::open_heap;

constexpr std::size_t mib = std::size_t{1} << 20;

gcheap::collector_options large_heap() {
  gcheap::collector_options options = heap_test::small_heap();
  options.nursery_bytes = mib;
  options.old_bytes = 256 * mib;
  return options;
}

TEST_CASE("large objects share no page with anything") {
  auto heap = open_heap<gcheap::uffd_async_barrier>(large_heap());
  const root<node_array> all(heap->roots(), heap->allocate<node_array>(20000));
  std::mt19937 random(3);
  std::size_t large = 0;
  for (std::size_t i = 0; i < 20000; ++i) {
    const bool is_large = i % 100 == 0;
    auto* const data = is_large ? reinterpret_cast<node*>(heap->allocate<blob>(32768 + random() % 300000))
                                : new_node(*heap, i);
    REQUIRE(data != nullptr);
    REQUIRE(heap->is_young(data) == !is_large);
    heap->store((*all)[i], data);
    large += is_large ? 1 : 0;
  }
  CHECK(large == 200);
  heap->collect_minor();
  struct place {
    address_range pages;
    bool large;
  };
  std::vector<place> places;
  for (std::size_t i = 0; i < 20000; ++i) {
    const gcheap::object* const o = &(*all)[i]->header;
    const address_range bytes(o, gcheap::bytes_of(o));
    places.push_back({bytes.widened_to(4096), i % 100 == 0});
  }
  std::sort(places.begin(), places.end(),
            [](const place& a, const place& b) { return a.pages.begin < b.pages.begin; });
  for (std::size_t i = 1; i < places.size(); ++i) {
    if (places[i].large || places[i - 1].large) REQUIRE_FALSE(places[i].pages.overlaps(places[i - 1].pages));
  }
}

TEST_CASE_TEMPLATE("the memory of dead large objects is used again", Barrier, HEAP_TEST_SOME_BARRIERS) {
  gcheap::collector_options options = large_heap();
  options.old_bytes = gcheap::arena_step;
  auto heap = open_heap<Barrier>(options);
  for (const std::size_t bytes : {4 * mib, mib / 2, 10 * mib, 40 * mib / 1024}) {
    CAPTURE(bytes);
    for (std::size_t total = 0; total < 100 * mib; total += bytes) {
      REQUIRE(heap->template allocate<blob>(bytes) != nullptr);
    }
  }
  CHECK(heap->statistics().missed_slots == 0);
}

}  // namespace
