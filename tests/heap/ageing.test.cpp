// Survivors that stay young for a while: they move in the nursery, and old slots that point to them are
// retained.
#include <cerrno>

#include "full_heap.hpp"
#include "not_retaining.hpp"
#include "shadow.hpp"
#include "support.hpp"

namespace {

using gcheap::root;
using heap_test::ageing_heap;
using heap_test::new_node;
using heap_test::node;
using heap_test::node_array;
using heap_test::open_heap;

TEST_CASE_TEMPLATE("an object is promoted when it has survived as many collections as asked for", Barrier,
                   HEAP_TEST_BARRIERS) {
  for (const unsigned age : {0U, 1U, 2U, 15U}) {
    CAPTURE(age);
    auto heap = open_heap<Barrier>(ageing_heap(age));
    root<node> kept(heap->roots(), new_node(*heap, 1));
    for (unsigned survived = 0; survived < age; ++survived) {
      const node* const before = kept;
      heap->collect_minor();
      REQUIRE(heap->is_young(kept.get()));
      REQUIRE(kept.get() != before);
      REQUIRE(kept->number == 1);
    }
    heap->collect_minor();
    CHECK_FALSE(heap->is_young(kept.get()));
    CHECK(kept->number == 1);
    CHECK(heap->statistics().survivor_objects == age);
    CHECK(heap->statistics().promoted_objects == 1);
  }
}

TEST_CASE_TEMPLATE("an old slot that points to a survivor stays remembered though nobody writes it", Barrier,
                   HEAP_TEST_BARRIERS) {
  auto heap = open_heap<Barrier>(ageing_heap(3));
  root<node_array> array(heap->roots(), heap->template allocate<node_array>(20000));
  heap->collect_minor();
  for (std::size_t i = 0; i < 20000; i += 100) {
    node* const young = new_node(*heap, i);
    heap->store((*array)[i], young);
  }
  for (int survived = 1; survived <= 4; ++survived) {
    heap->collect_minor();
    CHECK(heap->statistics().remembered_slots == 200U * static_cast<unsigned>(survived));
    for (std::size_t i = 0; i < 20000; i += 100) {
      REQUIRE(heap->is_young((*array)[i].get()) == (survived <= 3));
      REQUIRE((*array)[i]->number == i);
    }
  }
  CHECK(heap->statistics().retained_slots == 3 * 200);
  CHECK(heap->statistics().missed_slots == 0);
}

TEST_CASE_TEMPLATE("survivors: a barrier that does not retain is caught", Barrier,
                   HEAP_TEST_EXACT_BARRIERS) {
  auto heap = open_heap<heap_test::not_retaining<Barrier>>(ageing_heap(3));
  root<node> old(heap->roots(), heap->template allocate<node>());
  for (int i = 0; i < 4; ++i) heap->collect_minor();
  node* const young = new_node(*heap, 1);
  heap->store(old->left, young);
  heap->collect_minor();
  CHECK(heap->statistics().missed_slots == 0);
  heap->collect_minor();
  CHECK(heap->statistics().missed_slots == 1);
}

TEST_CASE_TEMPLATE("survivors that do not fit are promoted early", Barrier, HEAP_TEST_BARRIERS) {
  gcheap::collector_options options = ageing_heap(5);
  options.survivor_bytes = 8192;
  auto heap = open_heap<Barrier>(options);
  root<node> list(heap->roots());
  for (std::uint64_t i = 0; i < 1000; ++i) {
    node* const head = new_node(*heap, i);
    heap->store(head->left, list.get());
    list = head;
  }
  heap->collect_minor();
  CHECK(heap->statistics().survivor_bytes == 8192);
  CHECK(heap->statistics().early_objects == 1000 - 8192 / sizeof(node));
  CHECK(heap->statistics().promoted_objects == heap->statistics().early_objects);
  std::uint64_t left = 1000;
  for (const node* n = list; n != nullptr; n = n->left) REQUIRE(n->number == --left);
  CHECK(left == 0);
}

TEST_CASE_TEMPLATE("survivors: any mutation gives the graph that it would without a collector", Barrier,
                   HEAP_TEST_BARRIERS) {
  auto heap = open_heap<Barrier>(ageing_heap(2));
  heap_test::mutate_beside_a_shadow(*heap, 100000);
  const gcheap::statistics& s = heap->statistics();
  CHECK(s.survivor_objects > 1000);
  CHECK(s.retained_slots > 1000);
  CHECK(s.swept_bytes > 0);
  CHECK(s.verified_collections == s.collections());
  CHECK(s.missed_slots == 0);
}

TEST_CASE_TEMPLATE("survivors: a full heap loses nothing and can be used again", Barrier,
                   HEAP_TEST_BARRIERS) {
  gcheap::collector_options options = heap_test::tiny_heap();
  options.promotion_age = 2;
  options.survivor_bytes = options.nursery_bytes / 4;
  auto heap = open_heap<Barrier>(options);
  root<node> list(heap->roots());
  for (int round = 0; round < 2; ++round) {
    CAPTURE(round);
    std::uint64_t left = heap_test::fill(*heap, list);
    REQUIRE(left > 6000);
    CHECK(heap->out_of_memory().code == ENOMEM);
    for (int i = 0; i < 3; ++i) heap->collect_minor();
    for (const node* n = list; n != nullptr; n = n->left) {
      REQUIRE(n->number == --left);
      REQUIRE(gcheap::length_of(&n->right->header) == 4000);
    }
    REQUIRE(left == 0);
    list = nullptr;
  }
  CHECK(heap->statistics().missed_slots == 0);
  heap->collect_full();
  CHECK(heap->old_live_bytes() == 0);
}

TEST_CASE("a promotion age that the header has no room for is refused") {
  const auto heap = gcheap::collector<gcbarrier::card_table>::open(
      ageing_heap(16), gcheap::open_barrier<gcbarrier::card_table>);
  CHECK_FALSE(heap);
  CHECK(heap.error().code == EINVAL);
}

}  // namespace
