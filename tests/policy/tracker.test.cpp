// The tracker's promise holds with the policy too, on the real kernel.
#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <gcbarrier/barrier/kernel_barrier.hpp>
#include <gcbarrier/gcbarrier.hpp>
#include <gcbarrier/policy/cost_policy.hpp>
#include <memory>
#include <random>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "oracle.hpp"
#include "support/dropping.hpp"
#include "support/faked_calls.hpp"
#include "support/memory.hpp"

using gcbarrier::address_range;
using gcbarrier::basic_write_tracker;
using gcbarrier::cost_policy;
using gcbarrier::dirty_set;
using gcbarrier::kernel_barrier;
using gcbarrier::mprotect_segv;
using gcbarrier::uffd_async;
using support::dropping;
using support::memory;
using support::memory_kind;

namespace {

using barrier = kernel_barrier<uffd_async, cost_policy>;
static_assert(barrier::name == "uffd_async+cost");
static_assert(kernel_barrier<mprotect_segv, cost_policy>::name == "mprotect+cost");
static_assert(kernel_barrier<uffd_async>::name == "uffd_async");
static_assert(gcbarrier::write_barrier<barrier>);

template <class Mechanism>
basic_write_tracker<Mechanism, cost_policy> tracked_by(Mechanism mechanism,
                                                       gcbarrier::kernel::system_calls calls = {}) {
  auto made = basic_write_tracker<Mechanism, cost_policy>::over(std::move(mechanism), calls);
  REQUIRE(made);
  return std::move(*made);
}
template <class Mechanism>
Mechanism opened(gcbarrier::kernel::system_calls calls = {}) {
  auto made = Mechanism::open(calls);
  REQUIRE(made);
  return std::move(*made);
}

support::page_numbers pages_of(const dirty_set& set, const memory& arena) {
  support::page_numbers pages;
  for (const address_range run : set.between(arena.range().begin, arena.range().end)) {
    for (std::uintptr_t at = run.begin; at < run.end; at += memory::page_size()) {
      pages.push_back((at - arena.range().begin) / memory::page_size());
    }
  }
  return pages;
}

template <class Mechanism>
oracle::outcome consult(Mechanism mechanism, const oracle::plan& todo) {
  auto tracker = tracked_by(std::move(mechanism));
  return oracle::trial<Mechanism, cost_policy>(tracker, todo).run();
}

}  // namespace

TEST_CASE("policy, tracker: the oracle loses no page") {
  for (const std::uint64_t seed : {11, 12}) {
    const auto result = consult(opened<uffd_async>(), {seed, 600, 60'000});
    CHECK(result.lost == "");
    CHECK(result.pages_reported < result.pages_tracked);
    CHECK(result.cycles >= 600);
  }
  CHECK(consult(opened<mprotect_segv>(), {13, 300, 30'000}).lost == "");
}

TEST_CASE("policy, tracker: the oracle catches a mechanism that loses a page") {
  std::mt19937_64 random(1);
  dropping<uffd_async> losing(opened<uffd_async>(), [&](address_range) { return random() % 2000 == 0; });
  CHECK(consult(std::move(losing), {14, 600, 60'000}).lost != "");
}

TEST_CASE(
    "policy, tracker: hot pages are in every set, cold ones when they were written, and calls are few") {
  constexpr std::size_t pages = 4096;
  const memory arena(memory_kind::small_pages, pages);
  auto opened_barrier = barrier::open();
  REQUIRE(opened_barrier);
  barrier& tested = *opened_barrier;
  REQUIRE_FALSE(tested.add_arena(arena.range()));
  CHECK(tested.written().bytes() == arena.bytes());
  tested.rearm();
  CHECK(tested.written().empty());
  tested.rearm();

  std::vector<std::size_t> hot;
  for (std::size_t i = 5; i < pages; i += 20) hot.push_back(i);
  std::mt19937_64 random(2);
  std::uint64_t armed_late = 0;
  for (int cycle = 0; cycle < 60; ++cycle) {
    std::set<std::size_t> wrote(hot.begin(), hot.end());
    for (int i = 0; i < 5; ++i) wrote.insert(random() % pages);
    for (const std::size_t page : wrote) arena.write(page);
    const auto seen = pages_of(tested.written(), arena);
    for (const std::size_t page : wrote) REQUIRE(seen.contains(page));
    for (const std::size_t page : wrote) tested.found_young(arena.range(page, 1));
    const auto before = tested.tracker().counters();
    tested.rearm();
    const auto after = tested.tracker().counters();
    CHECK(after.system_calls - before.system_calls <= 2 * (hot.size() / 8 + 5));
    if (cycle >= 20) armed_late += after.pages_armed - before.pages_armed;
    CHECK_FALSE(tested.tracker().problem());
  }
  // The hot ones are not armed again each time; protecting everything would arm them 40 times.
  CHECK(armed_late < 40 * hot.size() / 4);
  // Once nothing is written any more, all of them are protected in the end.
  for (int cycle = 0; cycle < 300; ++cycle) {
    (void)tested.written();
    tested.rearm();
  }
  CHECK(tested.written().empty());
}

TEST_CASE("policy, tracker: in a clean heap a collection makes no call but to read") {
  const memory arena(memory_kind::small_pages, 256);
  auto tracker = tracked_by(opened<uffd_async>());
  REQUIRE_FALSE(tracker.add_arena(arena.range()));
  tracker.arm();
  REQUIRE(tracker.peek().empty());
  const auto before = tracker.counters().system_calls;
  tracker.arm();
  CHECK(tracker.counters().system_calls == before);
}

TEST_CASE("policy, tracker: what the collector announces is protected again, and is no mutator's write") {
  const memory arena(memory_kind::small_pages, 64);
  auto tracker = tracked_by(opened<uffd_async>());
  REQUIRE_FALSE(tracker.add_arena(arena.range()));
  tracker.arm();
  for (std::size_t cycle = 0; cycle < 20; ++cycle) {
    arena.write(3);
    CHECK(pages_of(tracker.peek(), arena).contains(3));
    REQUIRE_FALSE(tracker.expect_writes(arena.range(8, 32)));
    for (std::size_t page = 8; page < 40; ++page) arena.write(page);
    tracker.arm();
    const auto set = pages_of(tracker.peek(), arena);
    for (std::size_t page = 8; page < 40; ++page) REQUIRE_FALSE(set.contains(page));
    const std::size_t written = 10 + cycle;  // another each time, or it becomes hot
    arena.write(written);
    CHECK(pages_of(tracker.peek(), arena).contains(written));
    tracker.arm();
  }
}

TEST_CASE("policy, tracker: new memory that is left unprotected is in each set until it is protected") {
  constexpr std::size_t step = 128;
  const memory arena(memory_kind::small_pages, 16 * step);
  auto tracker = tracked_by(opened<uffd_async>());
  REQUIRE_FALSE(tracker.add_arena(arena.range(0, step), 15 * step * memory::page_size()));
  for (std::size_t pages = step; pages < 16 * step; pages += step) {
    (void)tracker.peek();
    tracker.arm();
    // What is new is written right away.
    for (std::size_t page = pages - step; page < pages; ++page) arena.write(page);
    const auto set = pages_of(tracker.peek(), arena);
    for (std::size_t page = pages - step; page < pages; ++page) REQUIRE(set.contains(page));
    REQUIRE_FALSE(tracker.resize_arena(arena.data(), (pages + step) * memory::page_size()));
  }
  tracker.arm();
  CHECK(tracker.peek().bytes() >= step / 2 * memory::page_size());
  for (int cycle = 0; cycle < 50; ++cycle) {
    (void)tracker.peek();
    tracker.arm();
  }
  CHECK(tracker.peek().empty());
}

TEST_CASE("policy, tracker: a write between peek() and arm() is never lost later") {
  const memory arena(memory_kind::small_pages, 64);
  auto tracker = tracked_by(opened<uffd_async>());
  REQUIRE_FALSE(tracker.add_arena(arena.range()));
  tracker.arm();
  for (int cycle = 0; cycle < 50; ++cycle) {
    arena.write(3);
    (void)tracker.peek();
    arena.write(40);  // the collector's own
    tracker.arm();
    arena.write(41);
    CHECK(tracker.peek().contains(arena.page(41)));
    tracker.arm();
    arena.write(40);
    CHECK(tracker.peek().contains(arena.page(40)));
    tracker.arm();
  }
}

TEST_CASE("policy, tracker: retained, always dirty and new pages are in the sets as ever") {
  memory arena(memory_kind::small_pages, 64, 128);
  auto tracker = tracked_by(opened<uffd_async>());
  REQUIRE_FALSE(tracker.add_arena(arena.range()));
  tracker.arm();
  tracker.retain(arena.range(7, 2));
  CHECK(pages_of(tracker.collect(), arena) == support::page_numbers{7, 8});
  CHECK(pages_of(tracker.collect(), arena) == support::page_numbers{});
  tracker.always_dirty(arena.range(9, 1));
  CHECK(pages_of(tracker.collect(), arena) == support::page_numbers{9});
  CHECK(pages_of(tracker.collect(), arena) == support::page_numbers{9});
  tracker.always_dirty(arena.range(9, 1), false);
  CHECK(pages_of(tracker.collect(), arena) == support::page_numbers{9});
  CHECK(pages_of(tracker.collect(), arena) == support::page_numbers{});
  arena.grow(100);
  REQUIRE_FALSE(tracker.resize_arena(arena.data(), arena.bytes()));
  CHECK(pages_of(tracker.collect(), arena) == support::consecutive(64, 36));
  CHECK(pages_of(tracker.collect(), arena) == support::page_numbers{});
}

namespace {

// Writers count up a word in a random page, over and over, while sets are collected. Whatever a page's count
// is in the end, it must have been so when the page was last in a set. Returns how many pages break that.
template <class Mechanism>
std::size_t race(Mechanism mechanism) {
  constexpr std::size_t pages = 512;
  const memory arena(memory_kind::small_pages, pages);
  auto tracker = tracked_by(std::move(mechanism));
  REQUIRE_FALSE(tracker.add_arena(arena.range()));
  const auto count = [&](std::size_t page) {
    return std::atomic_ref(*reinterpret_cast<std::uint64_t*>(arena.page(page)));
  };
  std::vector<std::uint64_t> seen(pages);
  const auto look = [&] {
    const dirty_set set = tracker.collect();
    for (const std::size_t page : pages_of(set, arena)) {
      seen[page] = count(page).load();
      if (page % 3 == 0) tracker.found_young(arena.range(page, 1));
    }
  };
  look();
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> writes{0};
  std::vector<std::thread> writers;
  for (std::uint64_t seed = 1; seed <= 2; ++seed) {
    writers.emplace_back([&, seed] {
      std::mt19937_64 random(seed);
      while (!stop.load()) {
        // Some pages are hot.
        const std::size_t page = random() % 4 == 0 ? random() % pages : random() % 16 * 31;
        // Relaxed: others ThreadSanitizer carries out with a lock of its own held, which the handler of the
        // fault would wait for (mprotect).
        count(page).fetch_add(1, std::memory_order_relaxed);
        writes.fetch_add(1);
      }
    });
  }
  // On a busy machine the writers may not run at all for many cycles.
  for (int cycle = 0; cycle < 400 || (writes.load() < 20'000 && cycle < 1'000'000); ++cycle) {
    look();
    if (cycle >= 400) std::this_thread::yield();
  }
  stop.store(true);
  for (std::thread& one : writers) one.join();
  look();
  std::size_t lost = 0;
  for (std::size_t page = 0; page < pages; ++page) lost += seen[page] != count(page).load() ? 1 : 0;
  return lost;
}

}  // namespace

TEST_CASE("policy, tracker: collect() while threads write loses nothing") {
  CHECK(race(opened<uffd_async>()) == 0);
  CHECK(race(opened<mprotect_segv>()) == 0);
}

TEST_CASE("policy, tracker: the race catches a mechanism that loses a page") {
  // Always the same ones: a page that is left out of one answer is left alone and in the next.
  const auto forgets = [](address_range page) { return page.begin / memory::page_size() % 16 == 3; };
  CHECK(race(dropping<uffd_async>(opened<uffd_async>(), forgets)) > 0);
}

TEST_CASE("policy, tracker: a steady cycle maps and allocates nothing") {
  std::size_t maps = 0;
  support::faked_calls kernel([&](long number, const auto&) -> std::optional<long> {
    maps += number == SYS_mmap ? 1 : 0;
    return std::nullopt;
  });
  const memory arena(memory_kind::small_pages, 1024);
  auto tracker = tracked_by(opened<uffd_async>(kernel.calls()), kernel.calls());
  REQUIRE_FALSE(tracker.add_arena(arena.range()));
  tracker.arm();
  maps = 0;
  for (std::size_t cycle = 0; cycle < 50; ++cycle) {
    for (std::size_t page = cycle % 3; page < 1024; page += 3) arena.write(page);
    for (const address_range run : tracker.peek()) tracker.found_young(run);
    tracker.arm();
    for (std::size_t page = 0; page < 1024; page += 2) arena.write(page);
    (void)tracker.collect();
  }
  CHECK(maps == 0);
}
