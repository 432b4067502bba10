// Weak references at minor and full collections.
#include <heap/weak.hpp>

#include <memory>
#include <vector>

#include "support.hpp"

namespace {

using gcheap::root;
using gcheap::weak;
using heap_test::ageing_heap;
using heap_test::new_node;
using heap_test::node;
using heap_test::open_heap;

TEST_CASE_TEMPLATE("a weak reference follows its object while that lives, and is null afterwards", Barrier,
                   HEAP_TEST_SOME_BARRIERS) {
  for (const unsigned age : {0U, 1U}) {
    CAPTURE(age);
    auto heap = open_heap<Barrier>(ageing_heap(age));
    root<node> kept(heap->roots(), new_node(*heap, 1));
    const weak<node> to_kept(heap->weak_references(), kept);
    const weak<node> to_garbage(heap->weak_references(), new_node(*heap, 2));
    const weak<node> to_nothing(heap->weak_references());
    const node* const before = kept;
    heap->collect_minor();
    CHECK(to_kept.get() == kept.get());
    CHECK(to_kept.get() != before);
    CHECK(to_garbage.get() == nullptr);  // young garbage goes at once
    CHECK(to_nothing.get() == nullptr);
    heap->collect_minor();
    REQUIRE_FALSE(heap->is_young(to_kept.get()));
    kept = nullptr;
    heap->collect_minor();
    CHECK(to_kept.get() != nullptr);  // a minor collection does not know about old objects
    heap->collect_full();
    CHECK(to_kept.get() == nullptr);
    CHECK(heap->old_live_bytes() == 0);
    CHECK(heap->statistics().dangling_slots == 0);
  }
}

TEST_CASE_TEMPLATE("an old object that only weak references lead to is gone after a full collection", Barrier,
                   HEAP_TEST_SOME_BARRIERS) {
  auto heap = open_heap<Barrier>();
  std::vector<std::unique_ptr<weak<node>>> all;
  root<node> kept(heap->roots());
  for (std::uint64_t i = 0; i < 1000; ++i) {
    node* const fresh = new_node(*heap, i);
    if (i % 2 == 0) {
      heap->store(fresh->left, kept.get());
      kept = fresh;
    }
    all.push_back(std::make_unique<weak<node>>(heap->weak_references(), fresh));
  }
  heap->collect_minor();
  root<node> list(heap->roots(), kept);
  kept = list->left;  // lets go of the newest
  list = nullptr;
  heap->collect_full();
  for (std::uint64_t i = 0; i < 1000; ++i) {
    const node* const seen = all[i]->get();
    REQUIRE((seen == nullptr) == (i % 2 != 0 || i == 998));
    if (seen != nullptr) REQUIRE(seen->number == i);
  }
  CHECK(heap->statistics().dangling_slots == 0);
}

TEST_CASE_TEMPLATE("a weak reference to a survivor follows it, and is null when the survivor dies", Barrier,
                   HEAP_TEST_SOME_BARRIERS) {
  auto heap = open_heap<Barrier>(ageing_heap(5));
  root<node> kept(heap->roots(), new_node(*heap, 1));
  const weak<node> to_kept(heap->weak_references(), kept);
  heap->collect_minor();
  heap->collect_full();
  CHECK(heap->is_young(kept.get()));
  CHECK(to_kept.get() == kept.get());
  kept = nullptr;
  heap->collect_full();
  CHECK(to_kept.get() == nullptr);
}

TEST_CASE_TEMPLATE("the verification finds a weak reference that leads to no object, and only that", Barrier,
                   gcbarrier::card_table, gcheap::uffd_async_barrier) {
  auto heap = open_heap<Barrier>();
  root<node> kept(heap->roots(), new_node(*heap, 1));
  heap->collect_full();
  weak<node> wrong(heap->weak_references(), kept);
  heap->collect_minor();
  CHECK(heap->statistics().dangling_slots == 0);
  wrong = reinterpret_cast<node*>(reinterpret_cast<char*>(kept.get()) + 16);
  heap->collect_minor();
  CHECK(heap->statistics().dangling_slots == 1);
}

TEST_CASE_TEMPLATE("the verification finds a field that leads to no object, and only that", Barrier,
                   gcbarrier::card_table, gcheap::uffd_async_barrier) {
  auto heap = open_heap<Barrier>();
  root<node> old(heap->roots(), new_node(*heap, 1));
  heap->collect_minor();
  heap->store(old->left, old.get());
  heap->collect_minor();
  CHECK(heap->statistics().dangling_slots == 0);
  heap->store(old->left, reinterpret_cast<node*>(reinterpret_cast<char*>(old.get()) + 16));
  heap->collect_minor();
  CHECK(heap->statistics().dangling_slots == 1);
  heap->store(old->left, old.get());
}

}  // namespace
