// Objects and heaps for the tests of the collector.
#ifndef GCHEAP_TESTS_SUPPORT_HPP
#define GCHEAP_TESTS_SUPPORT_HPP

#include <doctest/doctest.h>
#include <gcbarrier/error.hpp>
#include <heap/barriers.hpp>
#include <heap/collector.hpp>
#include <heap/object.hpp>
#include <heap/type.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace heap_test {

struct node {
  gcheap::object header;
  gcheap::field<node> left;
  std::uint64_t number;
  gcheap::field<node> right;

  static const gcheap::type kind;
};
inline const gcheap::type node::kind =
    gcheap::describe<node, offsetof(node, left), offsetof(node, right)>("node");

struct node_array {
  gcheap::variable_object header;

  static const gcheap::type kind;
  gcheap::field<node>& operator[](std::size_t i) { return gcheap::elements<node>(&header)[i]; }
};
inline const gcheap::type node_array::kind =
    gcheap::describe<node_array>("node_array", gcheap::tail::pointers);

struct blob {
  gcheap::variable_object header;

  static const gcheap::type kind;
  unsigned char* data() { return reinterpret_cast<unsigned char*>(gcheap::bytes(&header)); }
};
inline const gcheap::type blob::kind = gcheap::describe<blob>("blob", gcheap::tail::bytes);

// Small and verifying.
inline gcheap::collector_options small_heap() {
  gcheap::collector_options options;
  options.nursery_bytes = std::size_t{256} << 10;
  options.old_bytes = std::size_t{64} << 20;
  options.first_full_bytes = std::size_t{8} << 20;
  options.verify = true;
  return options;
}

// The same where objects age.
inline gcheap::collector_options ageing_heap(unsigned age) {
  gcheap::collector_options options = small_heap();
  options.promotion_age = age;
  options.survivor_bytes = options.nursery_bytes / 4;
  return options;
}

template <class Barrier>
std::unique_ptr<gcheap::collector<Barrier>> open_heap(
    const gcheap::collector_options& options = small_heap()) {
  auto heap = gcheap::collector<Barrier>::open(options, gcheap::open_barrier<Barrier>);
  if (!heap) {
    std::array<char, 300> why{};
    heap.error().describe(why.data(), why.size());
    FAIL(why.data());
  }
  return std::move(*heap);
}

template <class Heap>
node* new_node(Heap& heap, std::uint64_t number) {
  node* const fresh = heap.template allocate<node>();
  REQUIRE(fresh != nullptr);
  fresh->number = number;
  return fresh;
}

}  // namespace heap_test

// Every barrier that this machine must be able to run.
#define HEAP_TEST_BARRIERS gcbarrier::no_barrier, HEAP_TEST_PRECISE_BARRIERS
// Those that know more than that something may have been written. Not uffd_sync: each of its faults waits for
// the scheduler twice, which on a busy machine makes minutes of these tests. The workloads run with it.
#define HEAP_TEST_PRECISE_BARRIERS HEAP_TEST_EXACT_BARRIERS, gcheap::uffd_cost_barrier
// Of those, the ones whose sets have nothing that was not written.
#define HEAP_TEST_EXACT_BARRIERS                                                                           \
  gcbarrier::card_table, gcbarrier::conditional_card_table, gcbarrier::store_buffer, gcbarrier::field_log, \
      gcheap::uffd_async_barrier, gcheap::hybrid_barrier, gcheap::mprotect_barrier
// One of each kind, for what has little to do with the barrier: ranges by software, slots, pages, two parts.
#define HEAP_TEST_SOME_BARRIERS \
  gcbarrier::card_table, gcbarrier::field_log, gcheap::uffd_async_barrier, gcheap::hybrid_barrier

#endif
