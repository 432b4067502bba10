// Negative controls of the verification: barriers that forget must be caught.
#include <heap/verify.hpp>

#include <gcbarrier/barrier/write_barrier.hpp>

#include <set>
#include <vector>

#include "dropping_a_page.hpp"
#include "not_retaining.hpp"
#include "support.hpp"

namespace {

using gcbarrier::address_range;
using gcheap::root;
using heap_test::dropping_a_page;
using heap_test::new_node;
using heap_test::node;
using heap_test::node_array;
using heap_test::not_retaining;
using heap_test::open_heap;

TEST_CASE_TEMPLATE("a barrier that drops one page is caught, and only then", Barrier, gcbarrier::card_table,
                   gcbarrier::conditional_card_table, gcheap::uffd_async_barrier, gcheap::mprotect_barrier) {
  using dropping = dropping_a_page<Barrier>;
  dropping::dropped = nullptr;
  auto heap = open_heap<dropping>();
  root<node_array> array(heap->roots(), heap->template allocate<node_array>(100000));
  heap->collect_minor();
  const auto write_three = [&](std::uint64_t number) {
    for (const std::size_t at : {100, 50000, 99000}) {
      node* const young = new_node(*heap, number);
      heap->store((*array)[at], young);
    }
    heap->collect_minor();
  };
  write_three(1);
  CHECK(heap->statistics().missed_slots == 0);
  CHECK(heap->statistics().verified_slots == 3);
  dropping::dropped = (*array)[50000].slot();
  write_three(2);
  CHECK(heap->statistics().missed_slots == 1);
  CHECK(heap->statistics().verified_slots == 6);
  CHECK((*array)[50000]->number == 2);  // verification remembers what it finds missing
}

// A barrier whose list lacks one slot.
template <class Barrier>
class dropping_a_slot : public Barrier {
 public:
  static inline const void* dropped = nullptr;

  static gcbarrier::result<dropping_a_slot> open(address_range heap, address_range young) {
    auto inner = gcheap::open_barrier<Barrier>(heap, young);
    if (!inner) return inner.error();
    return dropping_a_slot(std::move(*inner));
  }
  template <class F>
  void each_written_slot(F f) const {
    Barrier::each_written_slot([&](void** slot) {
      if (slot != dropped) f(slot);
    });
  }

 private:
  explicit dropping_a_slot(Barrier inner) : Barrier(std::move(inner)) {}
};

// What a barrier does whose bit for a slot stays set when it should be cleared: the slot is listed once only.
template <class Barrier>
class listing_once : public Barrier {
 public:
  static gcbarrier::result<listing_once> open(address_range heap, address_range young) {
    auto inner = gcheap::open_barrier<Barrier>(heap, young);
    if (!inner) return inner.error();
    return listing_once(std::move(*inner));
  }
  void store(void** slot, void* value) {
    if (seen_.insert(slot).second) {
      Barrier::store(slot, value);
    } else {
      *slot = value;
    }
  }

 private:
  explicit listing_once(Barrier inner) : Barrier(std::move(inner)) {}
  std::set<void**> seen_;
};

TEST_CASE_TEMPLATE("a list that lacks one slot is caught, and only then", Barrier, gcbarrier::store_buffer,
                   gcbarrier::field_log) {
  using dropping = dropping_a_slot<Barrier>;
  dropping::dropped = nullptr;
  auto heap = open_heap<dropping>();
  root<node_array> array(heap->roots(), heap->template allocate<node_array>(1000));
  heap->collect_minor();
  const auto write_all = [&](std::uint64_t number) {
    for (std::size_t at = 0; at < 1000; ++at) {
      node* const young = new_node(*heap, number);
      heap->store((*array)[at], young);
    }
    heap->collect_minor();
  };
  write_all(1);
  CHECK(heap->statistics().missed_slots == 0);
  CHECK(heap->statistics().verified_slots == 1000);
  dropping::dropped = (*array)[500].slot();
  write_all(2);
  CHECK(heap->statistics().missed_slots == 1);
  CHECK((*array)[500]->number == 2);  // verification remembers what it finds missing
}

TEST_CASE_TEMPLATE("a list that a slot gets into only once is caught", Barrier, gcbarrier::store_buffer,
                   gcbarrier::field_log) {
  auto heap = open_heap<listing_once<Barrier>>();
  root<node> old(heap->roots(), new_node(*heap, 1));
  heap->collect_minor();
  for (std::uint64_t cycle = 0; cycle < 3; ++cycle) {
    CHECK(heap->statistics().missed_slots == (cycle == 0 ? 0 : cycle - 1));
    node* const young = new_node(*heap, cycle);
    heap->store(old->left, young);
    heap->collect_minor();
  }
  CHECK(heap->statistics().missed_slots == 2);
}

TEST_CASE_TEMPLATE("a barrier that forgets what it should retain is caught", Barrier,
                   HEAP_TEST_EXACT_BARRIERS) {
  gcheap::collector_options options = heap_test::small_heap();
  options.nursery_bytes = std::size_t{1} << 20;
  options.old_bytes = gcheap::arena_step;
  auto heap = open_heap<not_retaining<Barrier>>(options);
  root<node_array> array(heap->roots(), heap->template allocate<node_array>(20000));
  heap->collect_minor();
  std::size_t filled = 0;
  for (; filled < 20000; ++filled) {
    auto* const data = heap->template allocate<heap_test::blob>(4000);
    if (data == nullptr) break;
    heap->store((*array)[filled], reinterpret_cast<node*>(data));  // any object will do
  }
  REQUIRE(filled < 20000);
  heap->collect_minor();
  CHECK(heap->statistics().missed_slots > 0);
}

}  // namespace
