// Objects that must not move: pinned by a handle, or because an ambiguous word may point to them.
#include <heap/pinned.hpp>

#include <array>
#include <cstring>
#include <memory>
#include <vector>

#include "full_heap.hpp"
#include "shadow.hpp"
#include "support.hpp"

namespace {

using gcbarrier::address_range;
using gcheap::pinned;
using gcheap::root;
using heap_test::ageing_heap;
using heap_test::blob;
using heap_test::new_node;
using heap_test::node;
using heap_test::open_heap;

TEST_CASE_TEMPLATE("a pinned object stays where it is until it is let go, and what it leads to follows",
                   Barrier, HEAP_TEST_SOME_BARRIERS) {
  for (const unsigned age : {0U, 2U}) {
    CAPTURE(age);
    auto heap = open_heap<Barrier>(ageing_heap(age));
    const root<node> moving(heap->roots(), new_node(*heap, 1));
    auto pin = std::make_unique<pinned<node>>(heap->pins(), new_node(*heap, 2));
    const root<node> same(heap->roots(), *pin);
    const node* const place = *pin;
    const node* const start = moving;
    heap->store((*pin)->left, moving.get());
    for (int i = 0; i < 5; ++i) {
      node* const young = new_node(*heap, 100);
      heap->store((*pin)->right, young);
      (i % 2 == 0) ? heap->collect_minor() : heap->collect_full();
      REQUIRE(moving.get() != start);  // the control: what is not pinned moves
      REQUIRE(pin->get() == place);
      REQUIRE(same.get() == place);
      REQUIRE((*pin)->number == 2);
      REQUIRE((*pin)->left == moving.get());
      REQUIRE((*pin)->right->number == 100);
    }
    CHECK(heap->statistics().pinned_objects == 5);
    pin.reset();
    for (unsigned i = 0; i <= age; ++i) heap->collect_minor();
    CHECK(same.get() != place);
    CHECK_FALSE(heap->is_young(same.get()));
    CHECK(same->number == 2);
    CHECK(heap->statistics().missed_slots == 0);
    CHECK(heap->statistics().dangling_slots == 0);
  }
}

TEST_CASE_TEMPLATE("an old slot that points to a pinned young object stays remembered", Barrier,
                   HEAP_TEST_BARRIERS) {
  auto heap = open_heap<Barrier>();
  const root<node> old(heap->roots(), new_node(*heap, 1));
  heap->collect_minor();
  auto pin = std::make_unique<pinned<node>>(heap->pins(), new_node(*heap, 2));
  heap->store(old->left, pin->get());
  for (int i = 0; i < 3; ++i) heap->collect_minor();
  REQUIRE(heap->is_young(old->left.get()));
  CHECK(heap->statistics().retained_slots == 3);
  pin.reset();
  heap->collect_minor();
  CHECK_FALSE(heap->is_young(old->left.get()));
  CHECK(old->left->number == 2);
  CHECK(heap->statistics().missed_slots == 0);
}

TEST_CASE_TEMPLATE("pinned objects everywhere: the nursery has room around them, and then the old space has",
                   Barrier, HEAP_TEST_SOME_BARRIERS) {
  auto heap = open_heap<Barrier>();
  std::vector<std::unique_ptr<pinned<node>>> pins;
  std::vector<const node*> places;
  for (std::uint64_t i = 0; i < 200; ++i) {  // in a nursery of 64 pages
    pins.push_back(std::make_unique<pinned<node>>(heap->pins(), new_node(*heap, i)));
    places.push_back(*pins.back());
    for (int rest = 0; rest < 300; ++rest) REQUIRE(new_node(*heap, 1000)->number == 1000);
  }
  for (std::uint64_t i = 0; i < 200; ++i) {
    REQUIRE(pins[i]->get() == places[i]);
    REQUIRE((*pins[i])->number == i);
  }
  CHECK(heap->statistics().missed_slots == 0);
  CHECK(heap->statistics().dangling_slots == 0);
  pins.clear();
  heap->collect_full();
  CHECK(heap->old_live_bytes() == 0);
}

TEST_CASE_TEMPLATE("pinned objects in a full heap stay, and it can be used again", Barrier,
                   HEAP_TEST_SOME_BARRIERS) {
  auto heap = open_heap<Barrier>(heap_test::tiny_heap());
  const pinned<node> pin(heap->pins(), new_node(*heap, 5));
  const node* const place = pin;
  root<node> list(heap->roots());
  for (int round = 0; round < 2; ++round) {
    REQUIRE(heap_test::fill(*heap, list) > 6000);
    list = nullptr;
    REQUIRE(pin.get() == place);
    REQUIRE(pin->number == 5);
  }
  CHECK(heap->statistics().missed_slots == 0);
  CHECK(heap->statistics().dangling_slots == 0);
}

TEST_CASE_TEMPLATE("an ambiguous word keeps its object alive and in place, wherever in it it points", Barrier,
                   HEAP_TEST_SOME_BARRIERS) {
  for (const std::size_t inside : {std::size_t{0}, std::size_t{1}, sizeof(node) - 1}) {
    CAPTURE(inside);
    auto heap = open_heap<Barrier>();
    std::array<std::uintptr_t, 3> words{1, 0, ~std::uintptr_t{0}};
    const address_range range(words.data(), sizeof words);
    heap->ambiguous_roots().add(range);
    node* const young = new_node(*heap, 7);
    words[1] = reinterpret_cast<std::uintptr_t>(young) + inside;
    const gcheap::weak<node> seen(heap->weak_references(), young);
    node* const child = new_node(*heap, 8);
    heap->store(young->left, child);
    heap->collect_minor();
    heap->collect_full();
    REQUIRE(seen.get() == young);
    CHECK(young->number == 7);
    CHECK(young->left->number == 8);
    words[1] = 0;
    heap->collect_full();
    CHECK(seen.get() == nullptr);
    CHECK(heap->old_live_bytes() == 0);

    root<node> rooted(heap->roots(), new_node(*heap, 9));
    heap->collect_minor();
    const gcheap::weak<node> old(heap->weak_references(), rooted);
    words[1] = reinterpret_cast<std::uintptr_t>(rooted.get()) + inside;
    rooted = nullptr;
    heap->collect_full();
    REQUIRE(old.get() != nullptr);
    CHECK(old.get()->number == 9);
    heap->ambiguous_roots().remove(range);
    heap->collect_full();  // the control: the word is still there
    CHECK(old.get() == nullptr);
    CHECK(heap->statistics().dangling_slots == 0);
  }
}

TEST_CASE("a word that points behind an object, to free memory or out of the heap keeps nothing") {
  auto heap = open_heap<gcheap::uffd_async_barrier>();
  std::array<std::uintptr_t, 4> words{};
  heap->ambiguous_roots().add({words.data(), sizeof words});
  auto* const data = heap->allocate<blob>(1000);
  words[0] = reinterpret_cast<std::uintptr_t>(data) + gcheap::bytes_of(&data->header.header);
  words[1] = reinterpret_cast<std::uintptr_t>(words.data());
  words[2] = reinterpret_cast<std::uintptr_t>(data) + 100000;
  const gcheap::weak<blob> seen(heap->weak_references(), data);
  heap->collect_minor();
  CHECK(seen.get() == nullptr);
  words[3] = reinterpret_cast<std::uintptr_t>(data);  // what was there is gone
  heap->collect_full();
  CHECK(heap->statistics().pinned_objects == 0);
  CHECK(heap->statistics().dangling_slots == 0);
}

// A list that nothing but local variables lead to while it grows.
template <class Heap>
[[gnu::noinline]] std::uint64_t sum_of_a_list_without_roots(Heap& heap, std::uint64_t length) {
  node* list = nullptr;
  for (std::uint64_t i = 0; i < length; ++i) {
    node* const head = new_node(heap, i);
    heap.store(head->left, list);
    list = head;
  }
  std::uint64_t sum = 0;
  for (; list != nullptr; list = list->left) sum += list->number;
  return sum;
}

TEST_CASE_TEMPLATE("with a conservative stack, local variables are roots", Barrier, HEAP_TEST_SOME_BARRIERS) {
  gcheap::collector_options options = heap_test::small_heap();
  options.conservative_stack = true;
  auto heap = open_heap<Barrier>(options);
  constexpr std::uint64_t length = 50000;
  CHECK(sum_of_a_list_without_roots(*heap, length) == length * (length - 1) / 2);
  CHECK(heap->statistics().collections() > 5);
  CHECK(heap->statistics().pinned_objects > 0);
  CHECK(heap->statistics().missed_slots == 0);
  CHECK(heap->statistics().dangling_slots == 0);
}

TEST_CASE("without a conservative stack they are not") {
  auto heap = open_heap<gcheap::uffd_async_barrier>();
  node* const local = new_node(*heap, 1);
  const gcheap::weak<node> seen(heap->weak_references(), local);
  heap->collect_minor();
  CHECK(seen.get() == nullptr);
  CHECK(local != nullptr);
}

TEST_CASE_TEMPLATE("conservative stack: any mutation gives the graph that it would without a collector",
                   Barrier, HEAP_TEST_BARRIERS) {
  gcheap::collector_options options = ageing_heap(1);
  options.conservative_stack = true;
  auto heap = open_heap<Barrier>(options);
  heap_test::mutate_beside_a_shadow(*heap, 50000);
  CHECK(heap->statistics().pinned_objects > 0);
  CHECK(heap->statistics().missed_slots == 0);
  CHECK(heap->statistics().dangling_slots == 0);
}

}  // namespace
