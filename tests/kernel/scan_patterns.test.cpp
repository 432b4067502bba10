// The patterns that the kernel's own test of PAGEMAP_SCAN goes through, in each kind of memory: what was
// written is what is reported, through every way of cutting the walk into pieces.
#include <doctest/doctest.h>
#include <sys/mman.h>

#include <algorithm>
#include <gcbarrier/kernel/page_scan.hpp>
#include <random>
#include <set>
#include <support/faked_calls.hpp>
#include <support/memory.hpp>
#include <support/page_watch.hpp>

namespace kernel = gcbarrier::kernel;
namespace uapi = gcbarrier::kernel::uapi;
using support::memory;
using support::memory_kind;
using support::page_numbers;
using support::page_watch;

namespace {

constexpr std::size_t many = 2100;  // four 2 MiB blocks and a bit

// Reads and protects with room for `room` regions and `max_pages` at a time, resuming as uffd_async does.
page_numbers collect_in_pieces(page_watch& watch, const memory& heap, std::size_t room,
                               std::size_t max_pages) {
  page_numbers all;
  gcbarrier::address_range rest = heap.range();
  while (!rest.empty()) {
    auto request = watch.ask(rest, room);
    request.protect = true;
    request.max_pages = max_pages;
    const auto answer = watch.scan(request);
    REQUIRE(answer);
    const page_numbers piece = heap.pages_in(answer->regions);
    all.insert(all.end(), piece.begin(), piece.end());
    const bool full = max_pages != 0 && piece.size() >= max_pages;
    if (piece.size() > max_pages && max_pages != 0) FAIL("more pages than max_pages");
    if (answer->complete && !full) break;
    rest.begin = answer->regions.back().end;
  }
  return all;
}

// What was written but not reported: the one thing that must not happen.
page_numbers lost(const std::set<std::size_t>& written, const page_numbers& reported) {
  page_numbers missing;
  std::set_difference(written.begin(), written.end(), reported.begin(), reported.end(),
                      std::back_inserter(missing));
  return missing;
}

// Random pages, many times over. Returns all that was lost and all that was reported without being written.
struct random_outcome {
  page_numbers lost;
  page_numbers invented;
};
random_outcome random_rounds(const memory& heap, page_watch& watch, int rounds, unsigned seed) {
  std::mt19937 random(seed);
  random_outcome outcome;
  for (int round = 0; round < rounds; ++round) {
    std::set<std::size_t> written;
    const std::size_t writes = random() % (round % 10 == 0 ? heap.pages() : 40);
    for (std::size_t i = 0; i < writes; ++i) {
      const std::size_t page = random() % heap.pages();
      heap.write(page, static_cast<char>(random()), random() % memory::page_size());
      written.insert(page);
    }
    const page_numbers reported = watch.collect(heap);
    for (const std::size_t page : lost(written, reported)) outcome.lost.push_back(page);
    for (const std::size_t page : reported) {
      if (!written.contains(page)) outcome.invented.push_back(page);
    }
  }
  return outcome;
}

}  // namespace

TEST_CASE("patterns: alternating pages, in pieces of every shape") {
  for (const memory_kind kind : support::every_memory_kind) {
    CAPTURE(name_of(kind));
    const memory heap(kind, many);
    page_watch watch(heap);
    for (const std::size_t room : {1, 2, 511, 512, 513, 1049, 1050, 1051, 4096}) {
      for (const std::size_t max_pages : {0, 1, 7, 512, 1050, 5000}) {
        if (room == 1 && max_pages == 1 && kind != memory_kind::small_pages)
          continue;  // slow, and says no more
        CAPTURE(room);
        CAPTURE(max_pages);
        page_numbers even;
        for (std::size_t i = 0; i < heap.pages(); i += 2) {
          heap.write(i);
          even.push_back(i);
        }
        CHECK(collect_in_pieces(watch, heap, room, max_pages) == even);
        CHECK(watch.written(heap).empty());
      }
    }
  }
}

TEST_CASE("patterns: everything, one half, one page, nothing") {
  for (const memory_kind kind : support::every_memory_kind) {
    CAPTURE(name_of(kind));
    const memory heap(kind, many);
    page_watch watch(heap);
    CHECK(watch.collect(heap).empty());
    heap.touch();
    CHECK(watch.collect(heap) == support::consecutive(0, many));
    for (std::size_t i = 0; i < many / 2; ++i) heap.write(i);
    CHECK(watch.collect(heap) == support::consecutive(0, many / 2));
    for (const std::size_t page : {std::size_t{0}, std::size_t{511}, std::size_t{512}, many - 1}) {
      heap.write(page);
      CHECK(watch.collect(heap) == page_numbers{page});
    }
    CHECK(watch.collect(heap).empty());
  }
}

TEST_CASE("patterns: two mappings with different histories in one scan") {
  for (const memory_kind kind : support::every_memory_kind) {
    CAPTURE(name_of(kind));
    memory heap(kind, 1000, 2000);
    page_watch watch(heap);
    heap.grow(2000);
    REQUIRE_FALSE(watch.add(heap.range(1000, 1000)));
    heap.write(999);
    page_numbers expected = support::consecutive(999, 1001);
    CHECK(watch.written(heap) == expected);
    REQUIRE_FALSE(watch.arm(heap.range(1000, 1000)));
    heap.write(1000);
    CHECK(watch.collect(heap) == page_numbers{999, 1000});
  }
}

TEST_CASE("patterns: random pages, many times over") {
  for (const memory_kind kind : support::every_memory_kind) {
    CAPTURE(name_of(kind));
    const memory heap(kind, many);
    page_watch watch(heap);
    const random_outcome outcome = random_rounds(heap, watch, 300, 1);
    CHECK(outcome.lost == page_numbers{});
    CHECK(outcome.invented == page_numbers{});
  }
}

TEST_CASE("patterns: the same check reports a kernel that drops the last region, or protects on reading") {
  for (const memory_kind kind : support::every_memory_kind) {
    CAPTURE(name_of(kind));
    const memory heap(kind, many);
    {
      support::faked_calls drops([](long number,
                                    support::faked_calls::argument_list a) -> std::optional<long> {
        const long answer = support::faked_calls::real(number, a);
        const bool scan = number == SYS_ioctl && static_cast<unsigned long>(a[1]) == uapi::ioctl_pagemap_scan;
        return scan && answer > 0 ? answer - 1 : answer;
      });
      page_watch watch(heap, drops.calls());
      CHECK_FALSE(random_rounds(heap, watch, 20, 1).lost.empty());
    }
    {
      // Every write is followed by a protection that nobody asked for.
      page_watch watch(heap);
      heap.write(9);
      REQUIRE_FALSE(watch.arm(heap.range(8, 4)));
      CHECK(lost({9}, watch.collect(heap)) == page_numbers{9});
    }
  }
}

TEST_CASE("patterns: protection changes keep what was written, and what was not") {
  for (const memory_kind kind : support::every_memory_kind) {
    CAPTURE(name_of(kind));
    const memory heap(kind, 600);
    page_watch watch(heap);
    heap.write(3);
    const auto protect = [&](std::size_t first, std::size_t count, int protection) {
      REQUIRE(::mprotect(heap.page(first), count * memory::page_size(), protection) == 0);
    };
    for (const int between : {PROT_READ, PROT_NONE}) {
      CAPTURE(between);
      protect(0, 600, between);
      CHECK(watch.written(heap) == page_numbers{3});
      protect(0, 600, PROT_READ | PROT_WRITE);
      CHECK(watch.written(heap) == page_numbers{3});
      protect(2, 4, between);
      protect(2, 4, PROT_READ | PROT_WRITE);
      CHECK(watch.collect(heap) == page_numbers{3});
      // A clean page still faults after the round trip.
      heap.write(3);
      heap.write(4);
      CHECK(watch.collect(heap) == page_numbers{3, 4});
      // Re-armed while it is read-only, written after.
      protect(0, 600, between);
      CHECK(watch.collect(heap).empty());
      protect(0, 600, PROT_READ | PROT_WRITE);
      heap.write(3);
    }
  }
}

TEST_CASE("patterns: holes between registered memory are skipped") {
  for (const memory_kind kind : support::every_memory_kind) {
    CAPTURE(name_of(kind));
    const memory heap(kind, 1100);
    page_watch watch(heap);
    heap.touch();
    REQUIRE(::munmap(heap.page(100), 3 * memory::page_size()) == 0);
    REQUIRE(::munmap(heap.page(512), 512 * memory::page_size()) == 0);
    page_numbers expected = support::consecutive(0, 100);
    for (const std::size_t page : support::consecutive(103, 409)) expected.push_back(page);
    for (const std::size_t page : support::consecutive(1024, 76)) expected.push_back(page);
    CHECK(watch.collect(heap) == expected);
    CHECK(watch.collect(heap).empty());
  }
}

TEST_CASE("patterns: the zero page is clean when armed, and written by the first store") {
  const memory heap(memory_kind::untouched, 600);
  for (std::size_t i = 0; i < 600; ++i) (void)heap.read(i);
  page_watch watch(heap);
  CHECK(watch.written(heap).empty());
  heap.write(17);
  heap.write(511);
  CHECK(watch.collect(heap) == page_numbers{17, 511});
  // Reading after arming brings the zero page in as well, and it stays protected.
  const memory later(memory_kind::untouched, 600);
  page_watch second(later);
  for (std::size_t i = 0; i < 600; ++i) (void)later.read(i);
  CHECK(second.written(later).empty());
  later.write(17);
  CHECK(second.collect(later) == page_numbers{17});
}
