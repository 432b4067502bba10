// The collector with a barrier of two parts: tracked memory, and cards for the objects of scattered types.
#include <heap/collector.hpp>

#include <cerrno>
#include <utility>
#include <vector>

#include "support.hpp"

namespace {

using gcbarrier::address_range;
using gcheap::root;
using heap_test::blob;
using heap_test::new_node;
using heap_test::node;
using heap_test::open_heap;

using hybrid = gcheap::hybrid_barrier;

// Like node, and declared scattered.
struct leaf {
  gcheap::object header;
  gcheap::scattered_field<leaf> next;
  gcheap::scattered_field<node> other;

  static const gcheap::type kind;
};
const gcheap::type leaf::kind =
    gcheap::describe_scattered<leaf, offsetof(leaf, next), offsetof(leaf, other)>("leaf");

template <class Heap>
leaf* new_leaf(Heap& heap) {
  leaf* const fresh = heap.template allocate<leaf>();
  REQUIRE(fresh != nullptr);
  return fresh;
}

TEST_CASE("hybrid heap: a store to an old object of a scattered type dirties a card, to another one a page") {
  auto heap = open_heap<hybrid>();
  root<node> ordinary(heap->roots(), new_node(*heap, 1));
  root<leaf> scattered(heap->roots(), new_leaf(*heap));
  heap->collect_minor();
  const auto dirtied_by = [&](auto store) {
    heap->collect_minor();
    const std::uint64_t before = heap->statistics().dirty_bytes;
    store();
    heap->collect_minor();
    return heap->statistics().dirty_bytes - before;
  };
  CHECK(dirtied_by([] {}) == 0);
  CHECK(dirtied_by([&] {
          node* const young = new_node(*heap, 2);
          heap->store(ordinary->left, young);
        }) == 4096);
  CHECK(dirtied_by([&] {
          node* const young = new_node(*heap, 3);
          heap->store(scattered->other, young);
        }) == 512);
  CHECK(ordinary->left->number == 2);
  CHECK(scattered->other->number == 3);
  CHECK(heap->statistics().remembered_slots == 2);
  CHECK(heap->statistics().missed_slots == 0);
}

// Marks no card.
class without_cards : public hybrid {
 public:
  static gcbarrier::result<without_cards> open(address_range heap) {
    auto inner = hybrid::open(heap);
    if (!inner) return inner.error();
    return without_cards(std::move(*inner));
  }
  void store_scattered(void** slot, void* value) { hybrid::store(slot, value); }

 private:
  explicit without_cards(hybrid inner) : hybrid(std::move(inner)) {}
};

TEST_CASE("hybrid heap: a store that should mark a card and does not is caught") {
  auto heap = open_heap<without_cards>();
  root<leaf> scattered(heap->roots(), new_leaf(*heap));
  heap->collect_minor();
  node* const young = new_node(*heap, 3);
  heap->store(scattered->other, young);
  heap->collect_minor();
  CHECK(heap->statistics().missed_slots == 1);
}

TEST_CASE("hybrid heap: lists that cross between the parts survive, and what is dead in either goes") {
  auto heap = open_heap<hybrid>();
  root<leaf> list(heap->roots());
  for (std::uint64_t i = 0; i < 50000; ++i) {
    root<node> number(heap->roots(), new_node(*heap, i));
    leaf* const head = new_leaf(*heap);
    heap->store(head->other, number.get());
    heap->store(head->next, list.get());
    list = head;
  }
  heap->collect_full();
  std::uint64_t left = 50000;
  for (leaf* at = list; at != nullptr; at = at->next) REQUIRE(at->other->number == --left);
  REQUIRE(left == 0);
  CHECK(heap->old_live_bytes() ==
        50000 * (gcheap::bytes_of(&list->header) + gcheap::bytes_of(&list->other->header)));
  list = nullptr;
  heap->collect_full();
  CHECK(heap->old_live_bytes() == 0);
  CHECK(heap->statistics().missed_slots == 0);
}

TEST_CASE("hybrid heap: either part full is an error to the caller, and nothing is lost") {
  gcheap::collector_options options = heap_test::small_heap();
  options.old_bytes = gcheap::arena_step;
  auto heap = open_heap<hybrid>(options);
  root<leaf> list(heap->roots());
  std::size_t count = 0;
  for (;; ++count) {
    leaf* const head = heap->allocate<leaf>();
    if (head == nullptr) break;
    heap->store(head->next, list.get());
    list = head;
  }
  CHECK(heap->out_of_memory().code == ENOMEM);
  REQUIRE(count > 100000);
  for (leaf* at = list; at != nullptr; at = at->next) --count;
  CHECK(count == 0);
  list = nullptr;
  heap->collect_full();
  CHECK(heap->old_live_bytes() == 0);
  CHECK(heap->allocate<blob>(std::size_t{4} << 20) != nullptr);
  CHECK(heap->statistics().missed_slots == 0);
}

}  // namespace
