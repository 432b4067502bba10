// write_tracker: what collect(), peek() and arm() return and forget, with what is retained, always dirty and
// expected.
#include <doctest/doctest.h>

#include <random>
#include <set>
#include <support/dropping.hpp>

#include "tracked.hpp"

using gcbarrier::address_range;
using gcbarrier::basic_write_tracker;
using support::consecutive;
using support::for_each_kind;
using support::memory;
using support::memory_kind;
using support::page_numbers;
using support::tracked;

TEST_CASE_TEMPLATE("collect: the pages written since the last one, and no others", Case, MECHANISMS) {
  for_each_kind<Case>([](auto& one, const memory& heap) {
    CHECK(one.collect(heap).empty());
    for (const std::size_t page : {0, 5, 6, 511, 512, 599}) one.on.write(heap, page);
    CHECK(one.collect(heap) == page_numbers{0, 5, 6, 511, 512, 599});
    CHECK(one.collect(heap).empty());
    one.on.write(heap, 5);
    CHECK(one.collect(heap) == page_numbers{5});
  });
}

TEST_CASE_TEMPLATE("peek: what collect() would return, as often as wanted, changing nothing", Case,
                   MECHANISMS) {
  for_each_kind<Case>([](auto& one, const memory& heap) {
    one.on.write(heap, 5);
    for (int i = 0; i < 3; ++i) CHECK(one.peek(heap) == page_numbers{5});
    one.on.write(heap, 9);
    for (int i = 0; i < 3; ++i) CHECK(one.peek(heap) == page_numbers{5, 9});
    CHECK(one.collect(heap) == page_numbers{5, 9});
    CHECK(one.peek(heap).empty());
  });
}

TEST_CASE_TEMPLATE("arm: forgets what was written, read or not", Case, MECHANISMS) {
  for_each_kind<Case>([](auto& one, const memory& heap) {
    one.on.write(heap, 5);
    CHECK(one.peek(heap) == page_numbers{5});
    one.on.write(heap, 6);  // the collector's own
    one.arm();
    CHECK(one.peek(heap).empty());
    one.on.write(heap, 7);
    CHECK(one.peek(heap) == page_numbers{7});
    one.arm();
    one.arm();
    CHECK(one.collect(heap).empty());
  });
}

TEST_CASE_TEMPLATE("retain: in the next set though nobody writes, once", Case, MECHANISMS) {
  for_each_kind<Case>([](auto& one, const memory& heap) {
    one.on.write(heap, 5);
    one.tracker.retain(heap.range(10, 2));
    CHECK(one.collect(heap) == page_numbers{5, 10, 11});
    CHECK(one.collect(heap).empty());
  });
}

TEST_CASE_TEMPLATE("retain: a stop-the-world cycle's retained pages survive its arming", Case, MECHANISMS) {
  for_each_kind<Case>([](auto& one, const memory& heap) {
    one.on.write(heap, 5);
    CHECK(one.peek(heap) == page_numbers{5});
    one.tracker.retain(heap.range(5, 1));
    one.tracker.retain(heap.range(300, 1));
    one.arm();
    CHECK(one.peek(heap) == page_numbers{5, 300});
    CHECK(one.peek(heap) == page_numbers{5, 300});
    one.tracker.retain(heap.range(300, 1));
    one.arm();
    one.on.write(heap, 7);
    CHECK(one.peek(heap) == page_numbers{7, 300});
    one.arm();
    CHECK(one.peek(heap).empty());
  });
}

TEST_CASE_TEMPLATE("retain: every page that the range touches, as far as it lies in an arena", Case,
                   MECHANISMS) {
  const memory heap(memory_kind::small_pages, 64);
  tracked<Case> one;
  one.on.models(heap.range());
  REQUIRE_FALSE(one.tracker.add_arena(heap.range(0, 8)));
  REQUIRE_FALSE(one.tracker.add_arena(heap.range(16, 8)));
  one.arm();
  const std::uintptr_t base = heap.range().begin;
  const std::size_t page = memory::page_size();
  one.tracker.retain({base + 3 * page + 8, base + 3 * page + 16});
  one.tracker.retain({base + 6 * page - 1, base + 6 * page + 1});
  CHECK(one.collect(heap) == page_numbers{3, 5, 6});
  one.tracker.retain(heap.range(7, 10));  // over the gap
  one.tracker.retain({base + 100 * page, base + 101 * page});
  one.tracker.retain({base + 2 * page, base + 2 * page});
  CHECK(one.collect(heap) == page_numbers{7, 16});
}

TEST_CASE_TEMPLATE("always_dirty: in every set, whatever happens, until it ends", Case, MECHANISMS) {
  for_each_kind<Case>([](auto& one, const memory& heap) {
    one.tracker.always_dirty(heap.range(100, 2));
    for (int i = 0; i < 2; ++i) CHECK(one.peek(heap) == page_numbers{100, 101});
    for (int i = 0; i < 2; ++i) CHECK(one.collect(heap) == page_numbers{100, 101});
    one.arm();
    one.on.write(heap, 101);
    one.on.write(heap, 102);
    one.tracker.retain(heap.range(99, 1));
    one.tracker.retain(heap.range(300, 1));
    CHECK(one.collect(heap) == page_numbers{99, 100, 101, 102, 300});
    one.tracker.always_dirty(heap.range(100, 1), false);
    // The last write behind the page tables may have come just before the end.
    CHECK(one.collect(heap) == page_numbers{100, 101});
    CHECK(one.collect(heap) == page_numbers{101});
    one.tracker.always_dirty(heap.range(), false);
    one.arm();
    CHECK(one.collect(heap).empty());
  });
}

TEST_CASE_TEMPLATE("expect_writes: what is written in the range is in the set, and it may be wider", Case,
                   MECHANISMS) {
  for_each_kind<Case>([](auto& one, const memory& heap) {
    REQUIRE_FALSE(one.tracker.expect_writes(heap.range(50, 20)));
    one.on.write(heap, 55);
    one.on.write(heap, 10);
    const page_numbers written = one.collect(heap);
    CHECK(written.contains(55));
    CHECK(written.contains(10));
    for (const std::size_t page : written) CHECK((page == 10 || (page >= 50 && page < 70)));
    // And it ends with the collection.
    one.on.write(heap, 56);
    CHECK(one.collect(heap) == page_numbers{56});
    REQUIRE_FALSE(one.tracker.expect_writes({heap.range().begin + 1, heap.range().begin + 2}));
    one.on.write(heap, 0);
    CHECK(one.collect(heap) == page_numbers{0});
    // Memory of no arena is nobody's business.
    CHECK_FALSE(one.tracker.expect_writes({0x1000, 0x2000}));
  });
}

TEST_CASE_TEMPLATE("collect: within a range, the rest is neither reported nor forgotten", Case,
                   support::uffd_case, support::mprotect_case) {
  for_each_kind<Case>([](auto& one, const memory& heap) {
    for (const std::size_t page : {5, 99, 100, 199, 200, 599}) one.on.write(heap, page);
    one.tracker.retain(heap.range(150, 1));
    one.tracker.retain(heap.range(250, 1));
    CHECK(heap.pages_in(one.tracker.peek(heap.range(100, 100))) == page_numbers{100, 150, 199});
    CHECK(heap.pages_in(one.tracker.collect(heap.range(100, 100))) == page_numbers{100, 150, 199});
    CHECK(one.collect(heap) == page_numbers{5, 99, 200, 250, 599});
    CHECK(one.collect(heap).empty());
  });
}

TEST_CASE("collect: within a range, but in all arenas where the whole process is cleared") {
  const memory heap(memory_kind::small_pages, 64);
  tracked<support::soft_dirty_case> one;
  one.watch(heap);
  one.on.write(heap, 5);
  one.on.write(heap, 20);
  CHECK(heap.pages_in(one.tracker.peek(heap.range(16, 8))) == page_numbers{20});
  CHECK(heap.pages_in(one.tracker.collect(heap.range(16, 8))) == page_numbers{5, 20});
  CHECK(one.collect(heap).empty());
}

TEST_CASE_TEMPLATE("counters: collections, pages, system calls and time only grow", Case, MECHANISMS) {
  const memory heap(memory_kind::small_pages, 100);
  tracked<Case> one;
  one.watch(heap);
  const auto before = one.tracker.counters();
  CHECK(before.collections == 0);
  one.on.write(heap, 3);
  one.on.write(heap, 4);
  one.collect(heap);
  one.peek(heap);
  const auto after = one.tracker.counters();
  CHECK(after.collections == 2);
  CHECK(after.pages_scanned == 200);
  CHECK(after.pages_dirty == 2);
  CHECK(after.system_calls > before.system_calls);
  CHECK(after.nanoseconds > before.nanoseconds);
  if (one.tracker.kind() != gcbarrier::mechanism_kind::soft_dirty) {
    CHECK(before.pages_armed == 100);
    CHECK(after.pages_armed == 102);
  }
}

namespace {

// Random writes, retained pages and collections of both kinds. Returns the pages that a set should have had.
template <class Case, class Tracker>
page_numbers lost_in_cycles(Case& on, const memory& heap, Tracker& tracker, int rounds) {
  std::mt19937 random(3);
  page_numbers lost;
  std::set<std::size_t> expected;  // in the next set
  std::set<std::size_t> retained;  // in the set after the next arming
  for (int round = 0; round < rounds; ++round) {
    for (std::size_t i = random() % 40; i > 0; --i) {
      const std::size_t page = random() % heap.pages();
      on.write(heap, page, static_cast<char>(random()));
      expected.insert(page);
    }
    const bool stopped = random() % 2 == 0;
    const page_numbers reported = heap.pages_in(stopped ? tracker.peek() : tracker.collect());
    for (const std::size_t page : expected) {
      if (!reported.contains(page)) lost.push_back(page);
    }
    expected.clear();
    for (std::size_t i = random() % 10; i > 0; --i) {
      const std::size_t page = random() % heap.pages();
      tracker.retain(heap.range(page, 1));
      expected.insert(page);
    }
    if (stopped) tracker.arm();
  }
  return lost;
}

}  // namespace

TEST_CASE_TEMPLATE("cycles: no page is lost in many random ones", Case, MECHANISMS) {
  for_each_kind<Case>([](auto& one, const memory& heap) {
    CHECK(lost_in_cycles(one.on, heap, one.tracker, 100) == page_numbers{});
  });
}

// The control: the same check over a mechanism that drops the last page of the arena.
TEST_CASE_TEMPLATE("cycles: a mechanism that drops a page is caught", Case, MECHANISMS) {
  for (const memory_kind kind : support::every_memory_kind) {
    CAPTURE(name_of(kind));
    const memory heap(kind, 100);
    Case on;
    on.models(heap.range());
    auto honest = Case::mechanism::open(on.calls());
    REQUIRE(honest);
    const address_range last = heap.range(99, 1);
    using dropping = support::dropping<typename Case::mechanism>;
    auto tracker = basic_write_tracker<dropping>::over(
        dropping(std::move(*honest), [=](address_range page) { return page == last; }), on.calls());
    REQUIRE(tracker);
    REQUIRE_FALSE(tracker->add_arena(heap.range()));
    tracker->arm();
    const page_numbers lost = lost_in_cycles(on, heap, *tracker, 100);
    CHECK_FALSE(lost.empty());
    CHECK(lost == page_numbers(lost.size(), 99));
  }
}

namespace {

// Says that it retained, and does not.
struct forgetful : gcbarrier::write_tracker {
  void retain(address_range /*range*/) {}
};

}  // namespace

TEST_CASE_TEMPLATE("cycles: a tracker that forgets what was retained is caught", Case, MECHANISMS) {
  const memory heap(memory_kind::small_pages, 100);
  tracked<Case> one;
  one.watch(heap);
  forgetful tracker{std::move(one.tracker)};
  CHECK_FALSE(lost_in_cycles(one.on, heap, tracker, 100).empty());
}
