// Each way in which an allocation can find no memory, and that the heap is whole afterwards.
#include <cerrno>
#include <optional>
#include <utility>

#include "full_heap.hpp"
#include "support.hpp"

namespace {

using gcbarrier::address_range;
using gcheap::root;
using heap_test::blob;
using heap_test::fill;
using heap_test::new_node;
using heap_test::node;
using heap_test::open_heap;
using heap_test::tiny_heap;

constexpr std::size_t mib = std::size_t{1} << 20;

TEST_CASE_TEMPLATE("out of memory: large objects", Barrier, HEAP_TEST_SOME_BARRIERS) {
  auto heap = open_heap<Barrier>(tiny_heap());
  CHECK(heap->template allocate<blob>(40 * mib) == nullptr);  // more than there is at all
  {
    const root<blob> kept(heap->roots(), heap->template allocate<blob>(12 * mib));
    REQUIRE(kept != nullptr);
    CHECK(heap->template allocate<blob>(25 * mib) == nullptr);
    CHECK(heap->out_of_memory().code == ENOMEM);
    CHECK(gcheap::length_of(&kept->header.header) == 12 * mib);
  }
  CHECK(heap->template allocate<blob>(25 * mib) != nullptr);
}

// A barrier that cannot take more memory than so much.
class limited : public gcbarrier::card_table {
  using cards = gcbarrier::card_table;

 public:
  static inline std::size_t bytes_left = 0;

  static gcbarrier::result<limited> open(address_range heap) {
    auto inner = cards::open(heap);
    if (!inner) return inner.error();
    return limited(std::move(*inner));
  }
  gcbarrier::error add_arena(address_range range) {
    if (range.bytes() > bytes_left) return {"add_arena", EMFILE, range, "made up"};
    bytes_left -= range.bytes();
    return cards::add_arena(range);
  }

 private:
  explicit limited(cards inner) : cards(std::move(inner)) {}
};

TEST_CASE("out of memory: the barrier refuses more memory, and the caller is told why") {
  gcheap::collector_options options = tiny_heap();
  options.old_bytes = 8 * gcheap::arena_step;
  SUBCASE("for the first object") {
    limited::bytes_left = 0;
    auto heap = open_heap<limited>(options);
    CHECK(heap->allocate<blob>(2 * mib) == nullptr);
    CHECK(heap->out_of_memory().code == EMFILE);
    root<node> list(heap->roots());
    CHECK(fill(*heap, list) > 100);  // the nursery
    CHECK(heap->out_of_memory().code == EMFILE);
    CHECK(heap->statistics().dangling_slots == 0);
  }
  SUBCASE("for a later one") {
    limited::bytes_left = 2 * gcheap::arena_step;
    auto heap = open_heap<limited>(options);
    root<node> list(heap->roots());
    std::uint64_t left = fill(*heap, list);
    CHECK(left > 12000);
    CHECK(heap->out_of_memory().code == EMFILE);
    for (const node* n = list; n != nullptr; n = n->left) REQUIRE(n->number == --left);
    CHECK(left == 0);
    CHECK(heap->statistics().missed_slots == 0);
    CHECK(heap->statistics().dangling_slots == 0);
  }
}

TEST_CASE_TEMPLATE("out of memory: a finalizer that lets go of something makes room", Barrier,
                   HEAP_TEST_SOME_BARRIERS) {
  auto heap = open_heap<Barrier>(tiny_heap());
  std::optional<root<blob>> kept;
  kept.emplace(heap->roots(), heap->template allocate<blob>(20 * mib));
  REQUIRE(kept->get() != nullptr);
  heap->template finalize<node>(new_node(*heap, 1), [&](node*) { kept.reset(); });
  CHECK(heap->template allocate<blob>(20 * mib) == nullptr);
  CHECK_FALSE(kept.has_value());
  CHECK(heap->template allocate<blob>(20 * mib) != nullptr);
}

TEST_CASE_TEMPLATE("out of memory: under torture too", Barrier, HEAP_TEST_SOME_BARRIERS) {
  gcheap::collector_options options = tiny_heap();
  options.torture = 997;
  options.promotion_age = 1;
  auto heap = open_heap<Barrier>(options);
  root<node> list(heap->roots());
  std::uint64_t left = fill(*heap, list);
  REQUIRE(left > 6000);
  for (const node* n = list; n != nullptr; n = n->left) REQUIRE(n->number == --left);
  CHECK(left == 0);
  CHECK(heap->statistics().missed_slots == 0);
  CHECK(heap->statistics().dangling_slots == 0);
}

}  // namespace
