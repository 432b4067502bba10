#include <heap/collector.hpp>

#include <cerrno>
#include <vector>

#include "full_heap.hpp"
#include "shadow.hpp"
#include "support.hpp"

namespace {

using gcheap::root;
using heap_test::blob;
using heap_test::fill;
using heap_test::new_node;
using heap_test::node;
using heap_test::node_array;
using heap_test::open_heap;
using heap_test::small_heap;
using heap_test::tiny_heap;

TEST_CASE_TEMPLATE("survivors are promoted, the rest is gone, and roots follow", Barrier,
                   HEAP_TEST_BARRIERS) {
  auto heap = open_heap<Barrier>();
  root<node> kept(heap->roots(), new_node(*heap, 1));
  node* const child = new_node(*heap, 2);
  heap->store(kept->left, child);
  (void)new_node(*heap, 3);
  CHECK(heap->is_young(kept.get()));
  heap->collect_minor();
  CHECK_FALSE(heap->is_young(kept.get()));
  CHECK(kept->number == 1);
  CHECK(kept->left->number == 2);
  CHECK(kept->right == nullptr);
  CHECK(heap->statistics().promoted_objects == 2);
  kept = nullptr;
  heap->collect_full();
  CHECK(heap->old_live_bytes() == 0);
}

TEST_CASE_TEMPLATE("an old object keeps a young one alive", Barrier, HEAP_TEST_BARRIERS) {
  auto heap = open_heap<Barrier>();
  root<node> old(heap->roots(), new_node(*heap, 1));
  heap->collect_minor();
  for (std::uint64_t i = 0; i < 5; ++i) {
    node* const young = new_node(*heap, 100 + i);
    heap->store(old->right, young);
    heap->collect_minor();
    REQUIRE_FALSE(heap->is_young(old->right.get()));
    REQUIRE(old->right->number == 100 + i);
  }
  CHECK(heap->statistics().remembered_slots == 5);
  CHECK(heap->statistics().missed_slots == 0);
}

TEST_CASE_TEMPLATE("data that looks like a pointer is left alone", Barrier, HEAP_TEST_BARRIERS) {
  auto heap = open_heap<Barrier>();
  root<node> old(heap->roots(), new_node(*heap, 1));
  root<blob> data(heap->roots(), heap->template allocate<blob>(8));
  heap->collect_minor();
  node* const garbage = new_node(*heap, 2);
  const auto address = reinterpret_cast<std::uint64_t>(garbage);
  old->number = address;
  std::memcpy(data->data(), &address, sizeof address);
  heap->collect_minor();
  CHECK(old->number == address);
  CHECK(std::memcmp(data->data(), &address, sizeof address) == 0);
  CHECK(heap->statistics().remembered_slots == 0);
  CHECK(heap->statistics().promoted_objects == 2);
}

TEST_CASE_TEMPLATE("any mutation gives the graph that it would without a collector", Barrier,
                   HEAP_TEST_BARRIERS) {
  auto heap = open_heap<Barrier>();
  heap_test::mutate_beside_a_shadow(*heap, 300000);
  const gcheap::statistics& s = heap->statistics();
  CHECK(s.minor_pauses().size() > 10);
  CHECK(s.remembered_slots > 1000);
  CHECK(s.swept_bytes > 0);
  CHECK(s.verified_collections == s.collections());
  CHECK(s.verified_slots == s.remembered_slots);
  CHECK(s.missed_slots == 0);
}

TEST_CASE_TEMPLATE("a list of a million is promoted and marked without recursion", Barrier,
                   HEAP_TEST_BARRIERS) {
  gcheap::collector_options options = small_heap();
  options.nursery_bytes = std::size_t{40} << 20;
  options.old_bytes = std::size_t{128} << 20;
  options.verify = false;
  auto heap = open_heap<Barrier>(options);
  constexpr std::uint64_t length = 1000000;
  root<node> list(heap->roots());
  for (std::uint64_t i = 0; i < length; ++i) {
    node* const head = new_node(*heap, i);
    heap->store(head->left, list.get());
    list = head;
  }
  CHECK(heap->statistics().collections() == 0);
  heap->collect_full();
  std::uint64_t seen = 0;
  for (const node* n = list; n != nullptr; n = n->left) ++seen;
  CHECK(seen == length);
  CHECK(heap->old_live_bytes() == length * sizeof(node));
}

TEST_CASE_TEMPLATE("of a large object only what was written is searched", Barrier,
                   HEAP_TEST_PRECISE_BARRIERS) {
  auto heap = open_heap<Barrier>();
  constexpr std::size_t length = std::size_t{1} << 20;  // 8 MiB
  root<node_array> large(heap->roots(), heap->template allocate<node_array>(length));
  CHECK_FALSE(heap->is_young(large.get()));
  heap->collect_minor();
  const std::uint64_t before = heap->statistics().dirty_bytes;
  for (const std::size_t at : {std::size_t{0}, length / 2, length - 1}) {
    node* const young = new_node(*heap, at);
    heap->store((*large)[at], young);
  }
  heap->collect_minor();
  CHECK(heap->statistics().dirty_bytes - before <= 3 * 4096);
  CHECK(heap->statistics().remembered_slots == 3);
  CHECK((*large)[length / 2]->number == length / 2);
  CHECK((*large)[length - 1]->number == length - 1);
}

TEST_CASE_TEMPLATE("nothing written, nothing searched: the collector's own writes are forgotten", Barrier,
                   HEAP_TEST_PRECISE_BARRIERS) {
  auto heap = open_heap<Barrier>();
  root<node_array> array(heap->roots(), heap->template allocate<node_array>(5000));
  for (std::size_t i = 0; i < 5000; ++i) {
    node* const fresh = new_node(*heap, i);
    heap->store((*array)[i], fresh);
  }
  heap->collect_full();
  const std::uint64_t before = heap->statistics().dirty_bytes;
  heap->collect_minor();
  CHECK(heap->statistics().dirty_bytes == before);
}

TEST_CASE_TEMPLATE("a full heap is an error to the caller, loses nothing and can be used again", Barrier,
                   HEAP_TEST_BARRIERS) {
  auto heap = open_heap<Barrier>(tiny_heap());
  root<node> list(heap->roots());
  for (int round = 0; round < 3; ++round) {
    CAPTURE(round);
    const std::uint64_t count = fill(*heap, list);
    REQUIRE(count > 6000);
    CHECK(heap->out_of_memory().code == ENOMEM);
    CHECK(heap->template allocate<blob>(4000) == nullptr);
    CHECK(heap->template allocate<node_array>(std::size_t{4} << 20) == nullptr);
    std::uint64_t left = count;
    for (const node* n = list; n != nullptr; n = n->left) {
      REQUIRE(n->number == --left);
      REQUIRE(gcheap::length_of(&n->right->header) == 4000);
    }
    REQUIRE(left == 0);
    list = nullptr;
  }
  CHECK(heap->statistics().retained_slots > 0);
  CHECK(heap->statistics().missed_slots == 0);
  heap->collect_full();
  CHECK(heap->old_live_bytes() == 0);
}

TEST_CASE_TEMPLATE("old slots that still point to the nursery stay remembered though nobody writes them",
                   Barrier, HEAP_TEST_BARRIERS) {
  auto heap = open_heap<Barrier>(tiny_heap());
  root<node> list(heap->roots());
  (void)fill(*heap, list);
  for (int i = 0; i < 4; ++i) {
    const std::uint64_t before = heap->statistics().retained_slots;
    heap->collect_minor();
    std::uint64_t old_to_young = 0;
    for (const node* n = list; n != nullptr; n = n->left) {
      if (!heap->is_young(n) && heap->is_young(n->right.get())) ++old_to_young;
    }
    REQUIRE(old_to_young > 0);
    REQUIRE(heap->statistics().retained_slots - before >= old_to_young);
  }
  CHECK(heap->statistics().missed_slots == 0);
}

TEST_CASE_TEMPLATE("absurd lengths are out of memory, not overflow", Barrier, HEAP_TEST_BARRIERS) {
  auto heap = open_heap<Barrier>();
  CHECK(heap->template allocate<node_array>(~std::size_t{0}) == nullptr);
  CHECK(heap->template allocate<node_array>(std::size_t{1} << 61) == nullptr);
  CHECK(heap->template allocate<blob>(~std::size_t{0} - 15) == nullptr);
  CHECK(heap->template allocate<blob>(std::size_t{65} << 20) == nullptr);
  CHECK(heap->out_of_memory().code == ENOMEM);
  CHECK(heap->template allocate<blob>(std::size_t{20} << 20) != nullptr);
}

TEST_CASE("a heap that cannot be opened says why") {
  gcheap::collector_options options;
  options.old_bytes = 0;
  const auto heap =
      gcheap::collector<gcbarrier::card_table>::open(options, gcheap::open_barrier<gcbarrier::card_table>);
  CHECK_FALSE(heap);
  CHECK(heap.error().code == EINVAL);
}

}  // namespace
