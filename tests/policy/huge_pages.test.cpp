// Cold memory is moved to huge pages, and the tracker's promise holds before, after and meanwhile.
#include <doctest/doctest.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <gcbarrier/gcbarrier.hpp>
#include <gcbarrier/policy/cold_blocks.hpp>
#include <gcbarrier/policy/cost_policy.hpp>
#include <optional>
#include <random>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "support/child.hpp"
#include "support/faked_calls.hpp"
#include "support/memory.hpp"

using gcbarrier::address_range;
using gcbarrier::basic_write_tracker;
using gcbarrier::block_pages;
using gcbarrier::cold_blocks;
using gcbarrier::collapse_limits;
using gcbarrier::cost_policy;
using gcbarrier::dirty_set;
using gcbarrier::protect_everything;
using gcbarrier::uffd_async;
using support::consecutive;
using support::memory;
using support::memory_kind;
using support::page_numbers;

namespace {

constexpr std::size_t in_block = support::huge_page / 4096;
// Whatever is cold, without an end of time: nothing here may depend on how fast the machine is.
constexpr collapse_limits at_once{~std::uint64_t{0}, 1};

uffd_async opened(gcbarrier::kernel::system_calls calls = {}) {
  auto made = uffd_async::open(calls);
  REQUIRE(made);
  return std::move(*made);
}
template <class Policy, class Mechanism>
basic_write_tracker<Mechanism, Policy> tracked_by(Mechanism mechanism,
                                                  gcbarrier::kernel::system_calls calls = {}) {
  auto made = basic_write_tracker<Mechanism, Policy>::over(std::move(mechanism), calls);
  REQUIRE(made);
  return std::move(*made);
}

bool is_huge(const memory& arena, std::size_t block) {
  uffd_async other = opened();
  const auto pages = other.pages_of(arena.range(block * in_block, in_block));
  return pages && *pages == block_pages::huge;
}

// A cycle of a stop-the-world collector that finds nothing.
template <class Tracker>
void empty_cycle(Tracker& tracker) {
  (void)tracker.peek();
  tracker.arm();
}

}  // namespace

TEST_CASE("cold blocks: ripe after so many sets without a write, in whole blocks") {
  const std::size_t size = gcbarrier::huge_page_bytes();
  const std::uintptr_t base = std::uintptr_t{1} << 40;
  cold_blocks blocks;
  // Two whole blocks, and the ends of two.
  const address_range arena{base - 4096, base + 2 * size + 4096};
  REQUIRE_FALSE(blocks.cover(arena));
  const auto set = [&](std::initializer_list<address_range> runs) {
    blocks.next_set();
    const std::vector<address_range> list(runs);
    blocks.note_written(dirty_set(list));
  };
  const address_range first{base, base + size};
  const address_range second{base + size, base + 2 * size};
  CHECK(blocks.next_ripe(arena, 1).empty());  // new memory counts as written
  set({});
  set({});
  CHECK(blocks.next_ripe(arena, 3).empty());
  CHECK(blocks.next_ripe(arena, 2) == first);
  CHECK(blocks.next_ripe({first.end, arena.end}, 2) == second);
  CHECK(blocks.next_ripe({second.end, arena.end}, 2).empty());
  set({{base - 4096, base}, {base + size + 8192, base + size + 12288}});
  CHECK(blocks.next_ripe(arena, 3) == first);
  CHECK(blocks.next_ripe({first.end, arena.end}, 1).empty());
  set({{base - 4096, base + 4096}, {base + 8192, base + size + 4096}, {second.end, arena.end}});
  CHECK(blocks.next_ripe(arena, 1).empty());

  // What was split or refused waits twice as long each time.
  for (const std::size_t wait : {2, 4, 8}) {
    if (wait == 4) {
      blocks.note_huge(first);
      set({first});
    } else {
      blocks.note_refused(first);
    }
    for (std::size_t i = 1; i < wait; ++i) {
      set({second});
      CHECK(blocks.next_ripe(arena, 1).empty());
    }
    set({second});
    CHECK(blocks.next_ripe(arena, 1) == first);
  }
  // So does one that was found split by what is in no set.
  blocks.note_huge(first);
  CHECK_FALSE(blocks.note_small(first));
  CHECK(blocks.note_small(first));

  REQUIRE_FALSE(blocks.cover({arena.begin, base + size}));
  CHECK(blocks.next_ripe(arena, 1).empty());
  REQUIRE_FALSE(blocks.cover(arena));
  CHECK(blocks.next_ripe(arena, 1).empty());
}

TEST_CASE_TEMPLATE("huge pages: cold blocks are collapsed, hot ones are not, and the sets stay exact", Policy,
                   protect_everything, cost_policy) {
  const memory arena(memory_kind::small_pages, 4 * in_block);
  auto tracker = tracked_by<Policy>(opened());
  REQUIRE_FALSE(tracker.add_arena(arena.range()));
  tracker.arm();
  CHECK(tracker.collapse_cold(at_once) == 0);
  for (int cycle = 0; cycle < 3; ++cycle) {
    arena.write(2 * in_block + 7);
    (void)tracker.peek();
    if (cycle == 2) CHECK(tracker.collapse_cold({~std::uint64_t{0}, 2}) == 3);
    tracker.arm();
  }
  CHECK_FALSE(tracker.problem());
  for (std::size_t block = 0; block < 4; ++block) CHECK(is_huge(arena, block) == (block != 2));
  const auto known = arena.pages_in(tracker.peek());  // the hot page may be left unprotected
  CHECK((known.empty() || known == page_numbers{2 * in_block + 7}));
  tracker.arm();
  // The first write splits one, and it is that page that is seen.
  arena.write(in_block + 30);
  const auto seen = arena.pages_in(tracker.peek());
  CHECK(seen.contains(in_block + 30));
  CHECK(seen.size() <= 2);
  CHECK_FALSE(is_huge(arena, 1));
  CHECK(tracker.collapse_cold(at_once) <= 1);  // the hot one may be cold by now
  CHECK_FALSE(is_huge(arena, 1));
  tracker.arm();
  CHECK(arena.read(in_block + 30) == 1);
}

TEST_CASE("huge pages: the negative control, a mechanism that does not protect again, makes the sets wide") {
  struct careless : uffd_async {
    gcbarrier::result<bool> collapse(address_range block) {
      const auto moved = uffd_async::collapse(block);
      if (unprotect(block)) return false;
      return moved;
    }
  };
  const memory arena(memory_kind::small_pages, 2 * in_block);
  auto tracker = tracked_by<cost_policy>(careless{opened()});
  REQUIRE_FALSE(tracker.add_arena(arena.range()));
  tracker.arm();
  empty_cycle(tracker);
  (void)tracker.peek();
  CHECK(tracker.collapse_cold(at_once) == 2);
  tracker.arm();
  CHECK(tracker.peek().bytes() == arena.bytes());  // would be empty
}

namespace {

// Writes a page of the block that is just being collapsed, and says whether the next set has it. With
// `behind`, the mechanism collapses where it is only asked, before the tracker knows of it.
struct hasty : uffd_async {
  gcbarrier::result<block_pages> pages_of(address_range block) {
    (void)uffd_async::collapse(block);
    return block_pages::other;
  }
};
template <class Mechanism>
bool sees_write_meanwhile() {
  const memory arena(memory_kind::small_pages, in_block);
  support::faked_calls kernel([&](long number, const auto& a) -> std::optional<long> {
    if (number == SYS_madvise && a[2] == gcbarrier::kernel::uapi::advice_collapse) arena.write(5);
    return std::nullopt;
  });
  auto tracker = tracked_by<protect_everything>(Mechanism{opened(kernel.calls())});
  REQUIRE_FALSE(tracker.add_arena(arena.range()));
  tracker.arm();
  REQUIRE(tracker.collect().empty());
  REQUIRE(arena.read(5) == 1);
  (void)tracker.collapse_cold(at_once);
  return tracker.collect().contains(arena.page(5));
}

}  // namespace

TEST_CASE("huge pages: what is written before, meanwhile and after is in the next set") {
  CHECK(sees_write_meanwhile<uffd_async>());
  CHECK_FALSE(sees_write_meanwhile<hasty>());  // the negative control

  const memory arena(memory_kind::small_pages, 2 * in_block);
  auto tracker = tracked_by<protect_everything>(opened());
  REQUIRE_FALSE(tracker.add_arena(arena.range()));
  tracker.arm();
  REQUIRE(tracker.collect().empty());
  arena.write(40);  // the block was clean in the last set, and is not any more
  CHECK(tracker.collapse_cold(at_once) == 2);
  arena.write(in_block + 41);
  const dirty_set set = tracker.collect();
  CHECK(set.contains(arena.page(40)));
  CHECK(set.contains(arena.page(in_block + 41)));
  CHECK(tracker.collect().empty());
}

TEST_CASE("huge pages: a kernel that refuses is no error, and is asked again later") {
  for (const int code : {EINVAL, ENOMEM, EAGAIN, EBUSY}) {
    CAPTURE(code);
    const memory arena(memory_kind::small_pages, in_block);
    int asked = 0;
    support::faked_calls kernel([&](long number, const auto& a) -> std::optional<long> {
      if (number != SYS_madvise || a[2] != gcbarrier::kernel::uapi::advice_collapse) return std::nullopt;
      ++asked;
      return -code;
    });
    auto tracker = tracked_by<cost_policy>(opened(kernel.calls()));
    REQUIRE_FALSE(tracker.add_arena(arena.range()));
    tracker.arm();
    for (int cycle = 0; cycle < 20; ++cycle) {
      CHECK(tracker.peek().empty());
      CHECK(tracker.collapse_cold(at_once) == 0);
      CHECK_FALSE(tracker.problem());
      tracker.arm();
    }
    CHECK(asked == 4);  // after 1, 2, 4 and 8 sets
    arena.write(9);
    CHECK(arena.pages_in(tracker.peek()) == page_numbers{9});
  }
  // The real one refuses where it was told to, holes, and shared memory.
  const memory never(memory_kind::small_pages, in_block);
  REQUIRE(::madvise(never.data(), never.bytes(), MADV_NOHUGEPAGE) == 0);
  const memory holes(memory_kind::small_pages, in_block);
  REQUIRE(::madvise(holes.page(8), 4096, MADV_DONTNEED) == 0);
  const memory shared(memory_kind::memfd_shared, in_block);
  for (const memory* arena : {&never, &holes, &shared}) {
    auto tracker = tracked_by<cost_policy>(opened());
    REQUIRE_FALSE(tracker.add_arena(arena->range()));
    tracker.arm();
    CHECK(tracker.peek().empty());
    CHECK(tracker.collapse_cold(at_once) == 0);
    CHECK_FALSE(tracker.problem());
    tracker.arm();
    CHECK(tracker.peek().empty());
    arena->write(9);
    CHECK(arena->pages_in(tracker.peek()) == page_numbers{9});
  }
}

TEST_CASE("huge pages: when protecting again fails, the answer is the whole arena") {
  const memory arena(memory_kind::small_pages, 2 * in_block);
  int failing = 0;  // calls from now on: 1 the look, 2 the unprotecting, 3 the mapping's check, 4 the scan
  support::faked_calls kernel([&](long number, const auto& a) -> std::optional<long> {
    if (failing == 0 || (number != SYS_ioctl && number != SYS_msync)) return std::nullopt;
    (void)a;
    return --failing == 0 ? std::optional<long>(-ENOMEM) : std::nullopt;
  });
  for (int call = 1; call <= 4; ++call) {
    CAPTURE(call);
    auto tracker = tracked_by<protect_everything>(opened(kernel.calls()));
    REQUIRE_FALSE(tracker.add_arena(arena.range()));
    tracker.arm();
    REQUIRE(tracker.collect().empty());
    failing = call;
    CHECK(tracker.collapse_cold(at_once) == 0);
    REQUIRE(failing == 0);
    CHECK(tracker.problem().code == ENOMEM);
    CHECK(tracker.collect().bytes() == arena.bytes());
    CHECK(tracker.collect().empty());
    CHECK_FALSE(tracker.problem());
  }
}

TEST_CASE("huge pages: a forked child leaves the parent's blocks alone") {
  const memory arena(memory_kind::small_pages, in_block);
  auto tracker = tracked_by<protect_everything>(opened());
  REQUIRE_FALSE(tracker.add_arena(arena.range()));
  tracker.arm();
  REQUIRE(tracker.collect().empty());
  arena.write(5);
  CHECK(support::run_in_child([&] {
          if (tracker.collapse_cold(at_once) != 0) return 1;
          return tracker.collect().bytes() == arena.bytes() ? 0 : 2;
        }) == support::exited(0));
  CHECK(arena.pages_in(tracker.collect()) == page_numbers{5});
  CHECK_FALSE(tracker.problem());
}

TEST_CASE("huge pages: the time is a limit, and the next call goes on") {
  const memory arena(memory_kind::small_pages, 4 * in_block);
  auto tracker = tracked_by<protect_everything>(opened());
  REQUIRE_FALSE(tracker.add_arena(arena.range()));
  tracker.arm();
  empty_cycle(tracker);
  (void)tracker.peek();
  CHECK(tracker.collapse_cold({0, 1}) == 0);
  std::size_t moved = 0;
  int calls = 0;
  for (; moved < 4 && calls < 100; ++calls) moved += tracker.collapse_cold({1'000, 1});
  CHECK(moved == 4);
  CHECK(tracker.collapse_cold(at_once) == 0);
  tracker.arm();
  CHECK(tracker.peek().empty());
}

TEST_CASE_TEMPLATE("huge pages: nothing is lost while threads write", Policy, protect_everything,
                   cost_policy) {
  constexpr std::size_t blocks = 4;
  const memory arena(memory_kind::small_pages, blocks * in_block);
  auto tracker = tracked_by<Policy>(opened());
  REQUIRE_FALSE(tracker.add_arena(arena.range()));
  const auto count = [&](std::size_t page) {
    return std::atomic_ref(*reinterpret_cast<std::uint64_t*>(arena.page(page)));
  };
  std::vector<std::uint64_t> seen(arena.pages());
  const auto look = [&] {
    for (const std::size_t page : arena.pages_in(tracker.collect())) seen[page] = count(page).load();
  };
  look();
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> writes{0};
  std::vector<std::thread> writers;
  for (std::uint64_t seed = 1; seed <= 2; ++seed) {
    writers.emplace_back([&, seed] {
      std::mt19937_64 random(seed);
      while (!stop.load()) {
        // For a while nothing but one block, so that the others are cold.
        const std::size_t block = writes.fetch_add(1) / 256 % blocks;
        count(block * in_block + random() % in_block).fetch_add(1);
      }
    });
  }
  std::size_t moved = 0;
  for (int cycle = 0; cycle < 200 || ((writes.load() < 100'000 || moved < 4) && cycle < 100'000); ++cycle) {
    look();
    moved += tracker.collapse_cold({300'000, 1});
    if (cycle >= 200) std::this_thread::yield();
  }
  stop.store(true);
  for (std::thread& one : writers) one.join();
  look();
  CHECK(moved >= 4);
  std::size_t lost = 0;
  for (std::size_t page = 0; page < arena.pages(); ++page) lost += seen[page] != count(page).load() ? 1 : 0;
  CHECK(lost == 0);
}
