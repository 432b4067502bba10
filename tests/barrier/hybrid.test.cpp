#include <doctest/doctest.h>
#include <gcbarrier/barrier/hybrid_barrier.hpp>
#include <gcbarrier/mechanism/mprotect_segv.hpp>
#include <support/memory.hpp>

#include <cerrno>
#include <random>
#include <set>
#include <utility>
#include <vector>

#include "no_memory.hpp"

namespace {

using gcbarrier::address_range;
using gcbarrier::hybrid_barrier;
using gcbarrier::kernel_barrier;
using support::memory;

#define HYBRIDS                                          \
  hybrid_barrier<kernel_barrier<gcbarrier::uffd_async>>, \
      hybrid_barrier<kernel_barrier<gcbarrier::mprotect_segv>>

// Pages: nursery, tracked, scattered, tracked again.
template <class Barrier>
struct heap_of_pages {
  static constexpr std::size_t part = 16;
  memory heap{support::memory_kind::small_pages, 4 * part};
  gcbarrier::result<Barrier> barrier = Barrier::open(heap.range());

  heap_of_pages() {
    REQUIRE(barrier);
    REQUIRE_FALSE(barrier->add_arena(heap.range(part, part)));
    REQUIRE_FALSE(barrier->add_scattered_arena(heap.range(2 * part, part)));
    REQUIRE_FALSE(barrier->add_arena(heap.range(3 * part, part)));
    CHECK(runs() == std::vector{heap.range(part, 3 * part)});  // new memory
    barrier->rearm();
    REQUIRE(runs().empty());
  }
  void** slot(std::size_t page, std::size_t offset = 0) {
    return reinterpret_cast<void**>(heap.page(page) + offset);
  }
  static bool scattered(std::size_t page) { return page / part == 2; }
  void store(std::size_t page, std::size_t offset = 0) {
    if (scattered(page)) {
      barrier->store_scattered(slot(page, offset), nullptr);
    } else {
      barrier->store(slot(page, offset), nullptr);
    }
  }
  address_range card(std::size_t page, std::size_t offset) {
    return address_range(slot(page, offset), 1).widened_to(512);
  }
  std::vector<address_range> runs() {
    const auto set = barrier->written();
    return {set.begin(), set.end()};
  }
};

TEST_CASE_TEMPLATE("hybrid: one set has the pages of the one part and the cards of the other, in order",
                   Barrier, HYBRIDS) {
  heap_of_pages<Barrier> on;
  for (const std::size_t page : {60, 40, 20}) on.store(page, 1024);
  CHECK(on.runs() == std::vector{on.heap.range(20, 1), on.card(40, 1024), on.heap.range(60, 1)});
  on.barrier->rearm();
  CHECK(on.runs().empty());
}

TEST_CASE_TEMPLATE("hybrid: runs that touch where the parts meet are one", Barrier, HYBRIDS) {
  heap_of_pages<Barrier> on;
  on.store(31);
  on.store(32);
  CHECK(on.runs() == std::vector{address_range(on.heap.page(31), 4096 + 512)});
}

TEST_CASE_TEMPLATE("hybrid: what is retained is in the next set, in either part", Barrier, HYBRIDS) {
  heap_of_pages<Barrier> on;
  (void)on.barrier->written();
  on.barrier->retain(address_range(on.slot(20), 8).widened_to(on.barrier->granule()));
  on.barrier->retain(address_range(on.slot(40, 512), 8).widened_to(on.barrier->granule()));
  on.barrier->rearm();
  CHECK(on.runs() == std::vector{on.heap.range(20, 1), on.card(40, 512)});
  on.barrier->rearm();
  CHECK(on.runs().empty());
}

TEST_CASE_TEMPLATE(
    "hybrid: a plain store into the scattered part is not remembered, which is why types must keep to it",
    Barrier, HYBRIDS) {
  heap_of_pages<Barrier> on;
  on.barrier->store(on.slot(40), nullptr);
  CHECK(on.runs().empty());
  on.barrier->store_scattered(on.slot(20), nullptr);  // the other way round costs a mark that nobody reads
  CHECK(on.runs() == std::vector{on.heap.range(20, 1)});
}

TEST_CASE_TEMPLATE("hybrid: where there is no memory for the set, it is everything", Barrier, HYBRIDS) {
  const memory heap(support::memory_kind::small_pages, 8);
  auto barrier = Barrier::open(heap.range());
  REQUIRE(barrier);
  REQUIRE_FALSE(barrier->add_arena(heap.range(0, 4)));
  REQUIRE_FALSE(barrier->add_scattered_arena(heap.range(4, 4)));
  barrier->rearm();
  heap.write(2);
  CHECK(without_memory([&] { return barrier->written().bytes(); }) == heap.bytes());
  CHECK(barrier->written().bytes() == memory::page_size());
}

TEST_CASE_TEMPLATE("hybrid: any stores and retains give the set of a model", Barrier, HYBRIDS) {
  heap_of_pages<Barrier> on;
  std::mt19937 random(2);
  const auto granule_of = [&](std::size_t page, std::size_t offset) {
    return on.scattered(page) ? on.card(page, offset).begin : on.heap.range(page, 1).begin;
  };
  std::set<std::uintptr_t> expected;
  for (int cycle = 0; cycle < 100; ++cycle) {
    for (std::size_t n = random() % 20; n > 0; --n) {
      const std::size_t page = on.part + random() % (3 * on.part);
      const std::size_t offset = 8 * (random() % 512);
      on.store(page, offset);
      expected.insert(granule_of(page, offset));
    }
    std::set<std::uintptr_t> seen;
    for (const address_range run : on.runs()) {
      for (std::uintptr_t at = run.begin; at < run.end;) {
        const std::size_t page = (at - on.heap.range().begin) / 4096;
        seen.insert(at);
        at += on.scattered(page) ? 512 : 4096;
      }
    }
    REQUIRE(seen == expected);
    expected.clear();
    for (std::size_t n = random() % 4; n > 0; --n) {
      const std::size_t page = on.part + random() % (3 * on.part);
      on.barrier->retain(address_range(on.slot(page), 8));
      expected.insert(granule_of(page, 0));
    }
    on.barrier->rearm();
  }
}

TEST_CASE_TEMPLATE("hybrid: a range is in one part only, and a barrier may move", Barrier, HYBRIDS) {
  heap_of_pages<Barrier> on;
  CHECK(on.barrier->add_arena(on.heap.range(40, 1)).code == EEXIST);
  CHECK(on.barrier->add_scattered_arena(on.heap.range(20, 1)).code == EEXIST);
  on.store(20);
  on.store(40);
  Barrier moved(std::move(*on.barrier));
  CHECK(moved.written().run_count() == 2);
}

}  // namespace
