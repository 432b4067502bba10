// Finalizers: when they are called, with what, in which order, and what they may do.
#include <heap/finalizers.hpp>

#include <stdexcept>
#include <vector>

#include "support.hpp"

namespace {

using gcheap::root;
using gcheap::weak;
using heap_test::new_node;
using heap_test::node;
using heap_test::open_heap;

using numbers = std::vector<std::uint64_t>;

TEST_CASE_TEMPLATE("a finalizer is called once, after the collection that finds its object unreachable",
                   Barrier, HEAP_TEST_SOME_BARRIERS) {
  for (const unsigned age : {0U, 2U}) {
    CAPTURE(age);
    gcheap::collector_options options = heap_test::small_heap();
    options.promotion_age = age;
    auto heap = open_heap<Barrier>(options);
    numbers seen;
    const auto note = [&](node* n) { seen.push_back(n->number); };
    root<node> old(heap->roots(), new_node(*heap, 1));
    heap->template finalize<node>(old, note);
    for (unsigned i = 0; i <= age; ++i) heap->collect_minor();
    REQUIRE_FALSE(heap->is_young(old.get()));
    node* const young = new_node(*heap, 2);
    heap->template finalize<node>(young, note);
    CHECK(seen.empty());
    heap->collect_minor();
    CHECK(seen == numbers{2});
    old = nullptr;
    heap->collect_minor();
    CHECK(seen == numbers{2});  // a minor collection does not know about old objects
    heap->collect_full();
    CHECK(seen == numbers{2, 1});
    heap->collect_full();
    heap->collect_full();
    CHECK(seen == numbers{2, 1});
    CHECK(heap->old_live_bytes() == 0);
    CHECK(heap->statistics().dangling_slots == 0);
  }
}

TEST_CASE_TEMPLATE(
    "finalizers: an object comes with all that it leads to, and lives on if it is stored somewhere", Barrier,
    HEAP_TEST_SOME_BARRIERS) {
  for (const bool old : {false, true}) {
    CAPTURE(old);
    auto heap = open_heap<Barrier>();
    root<node> saved(heap->roots());
    root<node> dying(heap->roots(), new_node(*heap, 1));
    node* const child = new_node(*heap, 2);
    heap->store(dying->left, child);
    int calls = 0;
    heap->template finalize<node>(dying, [&](node* n) {
      ++calls;
      saved = n;
    });
    if (old) heap->collect_minor();
    dying = nullptr;
    heap->collect_full();
    REQUIRE(saved != nullptr);
    CHECK(saved->number == 1);
    CHECK(saved->left->number == 2);
    heap->collect_full();
    CHECK(saved->left->number == 2);
    saved = nullptr;
    heap->collect_full();
    CHECK(calls == 1);
    CHECK(heap->old_live_bytes() == 0);
    CHECK(heap->statistics().dangling_slots == 0);
  }
}

TEST_CASE("finalizers that one collection makes due are called in the order in which they were added") {
  auto heap = open_heap<gcheap::uffd_async_barrier>();
  numbers seen;
  const auto note = [&](node* n) { seen.push_back(n->number); };
  root<node> first(heap->roots(), new_node(*heap, 1));
  root<node> second(heap->roots(), new_node(*heap, 2));
  heap->finalize<node>(second, note);
  heap->collect_minor();  // the second is old now
  heap->finalize<node>(first, note);
  node* const third = new_node(*heap, 3);
  heap->finalize<node>(third, note);
  heap->finalize<node>(third, note);
  heap->store(third->left, first.get());
  heap->store(first->left, second.get());
  heap->store(second->left, third);  // a ring does not matter
  first = nullptr;
  second = nullptr;
  heap->collect_full();
  CHECK(seen == numbers{2, 1, 3, 3});
}

TEST_CASE("a weak reference is null before the finalizer of its object is called") {
  for (const bool old : {false, true}) {
    CAPTURE(old);
    auto heap = open_heap<gcheap::uffd_async_barrier>();
    root<node> dying(heap->roots(), new_node(*heap, 1));
    const weak<node> to_dying(heap->weak_references(), dying);
    int calls = 0;
    heap->finalize<node>(dying, [&](node*) {
      ++calls;
      CHECK(to_dying.get() == nullptr);
    });
    if (old) heap->collect_minor();
    dying = nullptr;
    heap->collect_full();
    CHECK(calls == 1);
  }
}

TEST_CASE_TEMPLATE("a finalizer may allocate, collect and add finalizers, also when an allocation called it",
                   Barrier, HEAP_TEST_SOME_BARRIERS) {
  auto heap = open_heap<Barrier>();
  int calls = 0;
  const std::function<void(node*)> again = [&](node* n) {
    ++calls;
    const root<node> held(heap->roots(), n);
    const std::uint64_t number = n->number;
    for (int i = 0; i < 20000; ++i) (void)new_node(*heap, 0);  // some collections
    heap->collect_full();
    REQUIRE(held->number == number);
    if (number < 5) heap->template finalize<node>(new_node(*heap, number + 1), again);
  };
  heap->template finalize<node>(new_node(*heap, 1), again);
  int allocated = 0;
  while (calls < 5) {
    REQUIRE(++allocated < 1000000);
    const node* const fresh = new_node(*heap, 77);
    REQUIRE(fresh->number == 77);  // not what the finalizers allocated over
    REQUIRE(fresh->left == nullptr);
  }
  CHECK(calls == 5);
  CHECK(heap->statistics().missed_slots == 0);
  CHECK(heap->statistics().dangling_slots == 0);
}

TEST_CASE("a finalizer that throws is done with, and those after it are called later") {
  auto heap = open_heap<gcbarrier::card_table>();
  numbers seen;
  heap->finalize<node>(new_node(*heap, 1), [](node*) { throw std::runtime_error("no"); });
  heap->finalize<node>(new_node(*heap, 2), [&](node* n) { seen.push_back(n->number); });
  CHECK_THROWS_AS(heap->collect_minor(), std::runtime_error);
  CHECK(seen.empty());
  heap->collect_minor();
  CHECK(seen == numbers{2});
}

TEST_CASE("a heap that is closed calls no finalizers") {
  int calls = 0;
  {
    auto heap = open_heap<gcbarrier::card_table>();
    heap->finalize<node>(new_node(*heap, 1), [&](node*) { ++calls; });
  }
  CHECK(calls == 0);
}

}  // namespace
