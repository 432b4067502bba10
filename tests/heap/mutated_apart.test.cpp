// Objects of types that are mutated are promoted to a part of the old space of their own.
#include <heap/mutated_types.hpp>

#include <set>
#include <type_traits>
#include <vector>

#include "support.hpp"

namespace {

using gcheap::mutated_types;
using gcheap::root;
using heap_test::new_node;
using heap_test::node;
using heap_test::node_array;
using heap_test::open_heap;

constexpr gcheap::type one{"one", 16};
constexpr gcheap::type two{"two", 16};

// Of node's size, or the allocator would keep them apart by itself, and never written after it was made.
struct constant {
  gcheap::object header;
  gcheap::field<node> of;
  std::uint64_t padding[2];

  static const gcheap::type kind;
};
static_assert(sizeof(constant) == sizeof(node));
const gcheap::type constant::kind = gcheap::describe<constant, offsetof(constant, of)>("constant");

template <class Heap>
struct program {
  explicit program(Heap& heap)
      : heap(heap), all(heap.roots(), heap.template allocate<node_array>(2 * count)) {}

  // Every other one is a cell. They are promoted in this order.
  gcheap::field<node>& cell(std::size_t i) { return (*all)[2 * i]; }
  gcheap::field<node>& fixed(std::size_t i) { return (*all)[2 * i + 1]; }

  // New ones of both kinds replace the old ones.
  void replace_all() {
    for (std::size_t i = 0; i < count; ++i) {
      heap.store(cell(i), new_node(heap, i));
      auto* const fresh = heap.template allocate<constant>();
      heap.store(fixed(i), reinterpret_cast<node*>(fresh));  // any object will do
    }
    heap.collect_minor();
  }
  // Stores a young pointer to one cell in four.
  void mutate() {
    for (std::size_t i = 0; i < count; i += 4) {
      node* const fresh = new_node(heap, i);
      heap.store(cell(i)->left, fresh);
    }
    heap.collect_minor();
  }

  static constexpr std::size_t count = 3000;
  Heap& heap;
  root<node_array> all;
};

// Pages that hold cells, after the collector has seen what is mutated.
template <class Barrier>
std::set<std::uintptr_t> pages_of_cells(bool apart, std::uint64_t& dirty_pages) {
  gcheap::collector_options options = heap_test::small_heap();
  options.keep_mutated_apart = apart;
  auto heap = open_heap<Barrier>(options);
  program running(*heap);
  running.replace_all();
  for (int i = 0; i < 4; ++i) running.mutate();
  running.replace_all();
  heap->collect_full();
  const auto before = heap->statistics().dirty_pages;
  running.mutate();
  dirty_pages = heap->statistics().dirty_pages - before;
  CHECK(heap->statistics().missed_slots == 0);
  std::set<std::uintptr_t> pages;
  for (std::size_t i = 0; i < running.count; ++i) {
    pages.insert(reinterpret_cast<std::uintptr_t>(running.cell(i).get()) / 4096);
    CHECK(running.cell(i)->number == i);
    CHECK(running.fixed(i) != nullptr);
  }
  return pages;
}

}  // namespace

TEST_CASE("mutated types: those that are found far more often than others, by their number") {
  mutated_types types;
  const auto happens = [&](const gcheap::type& kind, int promoted, int found) {
    for (int i = 0; i < promoted; ++i) (void)types.promoted(kind);
    for (int i = 0; i < found; ++i) types.found(kind);
  };
  happens(one, 1000, 0);
  happens(two, 100, 40);
  types.decide();
  CHECK_FALSE(types.contains(two));  // too few finds to tell
  happens(two, 0, 40);
  CHECK_FALSE(types.contains(two));  // not before it decides
  types.decide();
  CHECK(types.contains(two));
  CHECK(types.promoted(two));
  CHECK_FALSE(types.contains(one));
  CHECK_FALSE(types.promoted(one));
  // Once all are found alike, none is mutated more than others.
  happens(one, 0, 800);
  types.decide();
  CHECK_FALSE(types.contains(one));
  CHECK_FALSE(types.contains(two));
  // And what was long ago is forgotten.
  for (int i = 0; i < 10; ++i) types.fade();
  happens(one, 100, 0);
  happens(two, 10, 70);
  types.decide();
  CHECK(types.contains(two));
}

TEST_CASE("mutated types: more types than the table holds are never mutated ones") {
  mutated_types types;
  std::vector<gcheap::type> many(1000, one);
  for (const gcheap::type& kind : many) (void)types.promoted(kind);
  for (int i = 0; i < 100; ++i) types.found(many.front());
  types.decide();
  CHECK(types.contains(many.front()));
  for (int i = 0; i < 1000; ++i) types.found(many.back());
  types.decide();
  CHECK_FALSE(types.contains(many.back()));
}

TEST_CASE_TEMPLATE("mutated objects lie together, and fewer pages are dirty", Barrier,
                   gcheap::uffd_async_barrier, gcheap::uffd_cost_barrier, gcbarrier::card_table) {
  std::uint64_t mixed_dirty = 0;
  std::uint64_t apart_dirty = 0;
  const auto mixed = pages_of_cells<Barrier>(false, mixed_dirty);
  const auto apart = pages_of_cells<Barrier>(true, apart_dirty);
  CHECK(apart.size() < mixed.size());
  // The policy's sets have pages in them that it has not protected yet.
  if (!std::is_same_v<Barrier, gcheap::uffd_cost_barrier>) CHECK(apart_dirty < mixed_dirty);
}

TEST_CASE("mutated objects cannot lie apart where a hybrid barrier has two parts already") {
  gcheap::collector_options options = heap_test::small_heap();
  options.keep_mutated_apart = true;
  using barrier = gcheap::hybrid_barrier;
  const auto heap = gcheap::collector<barrier>::open(options, gcheap::open_barrier<barrier>);
  REQUIRE_FALSE(heap);
  CHECK(heap.error().code == EINVAL);
}
