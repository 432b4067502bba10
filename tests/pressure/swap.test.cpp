// Pages that are really swapped out keep what the tracker knows of them.
#include <doctest/doctest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <fstream>
#include <gcbarrier/gcbarrier.hpp>
#include <gcbarrier/kernel/page_scan.hpp>
#include <string>
#include <vector>

#include "oracle.hpp"
#include "support/child.hpp"
#include "support/memory.hpp"
#include "support/page_watch.hpp"
#include "support/skip.hpp"
#include "zram_swap.hpp"

using gcbarrier::any_mechanism;
using gcbarrier::basic_write_tracker;
using gcbarrier::mechanism_kind;
using gcbarrier::write_tracker;
using pressure::zram_swap;
using support::memory;
using support::memory_kind;
using support::page_numbers;

namespace {

constexpr std::size_t swap_bytes = std::size_t{128} << 20;

constexpr memory_kind kinds[] = {memory_kind::small_pages, memory_kind::huge_pages, memory_kind::memfd_shared,
                                 memory_kind::memfd_private};

// The pages of the arena that are out.
std::size_t pages_out(const memory& arena) {
  if (arena.kind() == memory_kind::memfd_shared) {
    // Its page table says nothing of it: the file knows.
    std::vector<unsigned char> resident(arena.pages());
    REQUIRE(::mincore(arena.data(), arena.bytes(), resident.data()) == 0);
    std::size_t out = 0;
    for (const unsigned char one : resident) out += (one & 1) == 0 ? 1 : 0;
    return out;
  }
  support::page_watch watch;
  auto request = watch.ask(arena.range());
  request.require_registered = false;
  request.all_of = request.returned = gcbarrier::kernel::uapi::page_is_swapped;
  const auto answer = watch.scan(request);
  REQUIRE(answer);
  REQUIRE(answer->complete);
  return arena.pages_in(answer->regions).size();
}

// Some pages may be busy at the first attempt.
void push_out(const memory& arena) {
  for (int attempt = 0; attempt < 50 && pages_out(arena) < arena.pages(); ++attempt) {
    REQUIRE(::madvise(arena.data(), arena.bytes(), MADV_PAGEOUT) == 0);
  }
  REQUIRE(pages_out(arena) == arena.pages());
}

void pull_in(const memory& arena) {
  for (std::size_t page = 0; page < arena.pages(); ++page) (void)arena.read(page);
  REQUIRE(pages_out(arena) == 0);
}

void write_all(const memory& arena, const page_numbers& pages, char value) {
  for (const std::size_t page : pages) arena.write(page, value);
}

page_numbers every(std::size_t step, std::size_t pages) {
  page_numbers numbers;
  for (std::size_t page = 0; page < pages; page += step) numbers.push_back(page);
  return numbers;
}

std::uint64_t pages_ever_swapped_out() {
  std::ifstream file("/proc/vmstat");
  std::string name;
  std::uint64_t value = 0;
  while (file >> name >> value) {
    if (name == "pswpout") return value;
  }
  return 0;
}

bool has_device(int number) {
  return ::access(("/sys/block/zram" + std::to_string(number)).c_str(), F_OK) == 0;
}

}  // namespace

TEST_CASE("swap: written and clean pages stay what they are, out and in again") {
  zram_swap swap(swap_bytes);
  if (!swap.works()) SKIP_TEST(swap.problem().c_str());
  for (const mechanism_kind kind : {mechanism_kind::uffd_async, mechanism_kind::mprotect}) {
    for (const memory_kind of : kinds) {
      CAPTURE(std::string(name_of(kind)));
      CAPTURE(std::string(name_of(of)));
      const memory arena(of, 1024);
      auto tracker = write_tracker::open({.mechanism = kind});
      REQUIRE(tracker);
      REQUIRE_FALSE(tracker->add_arena(arena.range()));
      tracker->arm();
      const page_numbers thirds = every(3, arena.pages());
      const page_numbers fifths = every(5, arena.pages());

      write_all(arena, thirds, 'a');
      push_out(arena);
      CHECK(arena.pages_in(tracker->peek()) == thirds);  // written, seen while out
      pull_in(arena);
      CHECK(arena.pages_in(tracker->peek()) == thirds);  // and after a read brought it in
      push_out(arena);
      CHECK(arena.pages_in(tracker->collect()) == thirds);  // protected while out
      CHECK(tracker->collect().empty());
      pull_in(arena);
      CHECK(tracker->collect().empty());  // a read brings it in protected

      write_all(arena, fifths, 'b');
      CHECK(arena.pages_in(tracker->peek()) == fifths);
      tracker->arm();
      push_out(arena);
      CHECK(tracker->collect().empty());  // clean, seen while out
      write_all(arena, fifths, 'c');      // the write itself brings it in
      CHECK(arena.pages_in(tracker->peek()) == fifths);
      push_out(arena);
      tracker->arm();  // forgotten while out
      CHECK(tracker->collect().empty());
      write_all(arena, thirds, 'd');
      CHECK(arena.pages_in(tracker->collect()) == thirds);

      CHECK_FALSE(tracker->problem());
      CHECK(arena.read(3) == 'd');
      CHECK(arena.read(5) == 'c');
      CHECK(arena.read(7) == 1);
    }
  }
  CHECK(swap.remove() == "");
  CHECK_FALSE(has_device(swap.number()));
}

TEST_CASE("swap: pages expected to be written stay unprotected, and always dirty ones dirty") {
  zram_swap swap(swap_bytes);
  if (!swap.works()) SKIP_TEST(swap.problem().c_str());
  const memory arena(memory_kind::small_pages, 64);
  auto tracker = write_tracker::open({.mechanism = mechanism_kind::uffd_async});
  REQUIRE(tracker);
  REQUIRE_FALSE(tracker->add_arena(arena.range()));
  tracker->arm();
  tracker->always_dirty(arena.range(50, 2));
  push_out(arena);
  REQUIRE_FALSE(tracker->expect_writes(arena.range(8, 4)));
  push_out(arena);
  arena.write(9, 'x');
  const page_numbers found = arena.pages_in(tracker->collect());
  for (const std::size_t page : {9, 50, 51}) CHECK(std::count(found.begin(), found.end(), page) == 1);
  CHECK(arena.pages_in(tracker->collect()) == page_numbers{50, 51});
}

TEST_CASE("swap: the oracle loses no page while pages are pushed out") {
  zram_swap swap(swap_bytes);
  if (!swap.works()) SKIP_TEST(swap.problem().c_str());
  for (const mechanism_kind kind : {mechanism_kind::uffd_async, mechanism_kind::mprotect}) {
    const std::uint64_t before = pages_ever_swapped_out();
    auto opened = any_mechanism::open(kind, {});
    REQUIRE(opened);
    auto tracker = basic_write_tracker<any_mechanism>::over(std::move(*opened));
    REQUIRE(tracker);
    const oracle::outcome result =
        oracle::trial<any_mechanism>(*tracker, {.seed = 11, .cycles = 300, .writes = 20'000}, true).run();
    CHECK(result.lost == "");
    CHECK(result.cycles >= 300);
    CHECK(pages_ever_swapped_out() > before + 1000);
  }
}

TEST_CASE("swap: the device goes even if the test is killed") {
  int number = -1;
  int told[2];
  REQUIRE(::pipe(told) == 0);
  const auto outcome = support::run_in_child([&] {
    zram_swap swap(swap_bytes);
    const int made = swap.works() ? swap.number() : -1;
    (void)!::write(told[1], &made, sizeof made);
    if (made < 0) return 1;
    ::kill(::getpid(), SIGKILL);
    return 2;
  });
  ::close(told[1]);
  const ssize_t length = ::read(told[0], &number, sizeof number);
  ::close(told[0]);
  REQUIRE(length == static_cast<ssize_t>(sizeof number));
  if (number < 0) SKIP_TEST("no zram device can be made here");
  CHECK(outcome == support::killed(SIGKILL));
  for (int waited = 0; waited < 200 && has_device(number); ++waited) ::usleep(50'000);
  CHECK_FALSE(has_device(number));
}
