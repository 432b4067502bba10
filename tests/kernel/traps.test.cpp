// The places where the kernel's answer is not what it seems: a stale walk_end, errors that lose bits.
#include <doctest/doctest.h>

#include <cerrno>
#include <gcbarrier/kernel/page_scan.hpp>
#include <support/memory.hpp>
#include <support/page_watch.hpp>

using support::memory;
using support::memory_kind;
using support::page_numbers;
using support::page_watch;

TEST_CASE(
    "trap: a walk that fills the kernel's buffer of 512 regions and completes leaves a stale walk_end") {
  const memory heap(memory_kind::small_pages, 4096);
  page_watch watch(heap);
  page_numbers even;
  for (std::size_t i = 0; i < heap.pages(); i += 2) {
    heap.write(i);
    even.push_back(i);
  }
  const auto answer = watch.scan(watch.ask(heap.range(), 5000));
  REQUIRE(answer);
  CHECK(heap.pages_in(answer->regions) == even);
  // Room was left, so nothing is missing; that is what `complete` goes by.
  CHECK(answer->complete);
  CHECK(answer->walk_end < heap.range().end);
  CHECK(answer->walk_end < answer->regions.back().end);
}

TEST_CASE("trap: one region less than the kernel's buffer, and walk_end is true") {
  const memory heap(memory_kind::small_pages, 4096);
  page_watch watch(heap);
  for (std::size_t i = 0; i < 2 * 511; i += 2) heap.write(i);
  const auto answer = watch.scan(watch.ask(heap.range(), 5000));
  REQUIRE(answer);
  CHECK(answer->regions.size() == 511);
  CHECK(answer->walk_end == heap.range().end);
}

TEST_CASE("trap: a scan that fails half way has protected pages that it never reported") {
  const memory heap(memory_kind::small_pages, 8);
  page_watch watch;
  REQUIRE_FALSE(watch.add(heap.range(0, 4)));
  REQUIRE_FALSE(watch.arm(heap.range(0, 4)));
  heap.touch();
  auto request = watch.ask(heap.range());
  request.protect = true;
  CHECK(watch.scan_error(request).code == EPERM);
  const auto after = watch.scan(watch.ask(heap.range(0, 4)));
  REQUIRE(after);
  CHECK(after->regions.empty());
}

TEST_CASE("trap: a protecting call that fails half way has protected the pages before") {
  const memory heap(memory_kind::small_pages, 8);
  page_watch watch;
  REQUIRE_FALSE(watch.add(heap.range(0, 4)));
  heap.touch();
  CHECK(watch.arm(heap.range()).code == ENOENT);
  const auto after = watch.scan(watch.ask(heap.range(0, 4)));
  REQUIRE(after);
  CHECK(after->regions.empty());
}

// On kernels before 6.17 this crashed on partial huge pages, so only small ones here. The wrapper refuses it.
TEST_CASE("trap: protecting without a vector ignores max_pages") {
  const memory heap(memory_kind::small_pages, 8);
  page_watch watch(heap);
  heap.touch();
  namespace uapi = gcbarrier::kernel::uapi;
  uapi::pm_scan_arg argument{};
  argument.size = sizeof argument;
  argument.flags = uapi::scan_wp_matching | uapi::scan_check_wpasync;
  argument.start = heap.range().begin;
  argument.end = heap.range().end;
  argument.max_pages = 2;
  argument.category_mask = uapi::page_is_written;
  CHECK(gcbarrier::kernel::system_calls{}.ioctl(watch.pagemap(), uapi::ioctl_pagemap_scan, &argument) == 0);
  CHECK(watch.written(heap).empty());
}

TEST_CASE("trap: before it is armed all memory reads as written, touched or not") {
  for (const memory_kind kind : support::every_memory_kind) {
    CAPTURE(name_of(kind));
    const memory heap(kind, 600);
    page_watch watch;
    REQUIRE_FALSE(watch.add(heap.range()));
    CHECK(watch.written(heap) == support::consecutive(0, 600));
    REQUIRE_FALSE(watch.arm(heap.range()));
    CHECK(watch.written(heap).empty());
  }
}

TEST_CASE("trap: registering again what is armed keeps its state") {
  for (const memory_kind kind : support::every_memory_kind) {
    CAPTURE(name_of(kind));
    memory heap(kind, 600, 700);
    page_watch watch(heap);
    heap.write(7);
    // A growing arena: the old part as it was, the new part written.
    heap.grow(700);
    REQUIRE_FALSE(watch.add(heap.range()));
    page_numbers expected{7};
    for (const std::size_t number : support::consecutive(600, 100)) expected.push_back(number);
    CHECK(watch.collect(heap) == expected);
    heap.write(699);
    heap.write(0);
    CHECK(watch.collect(heap) == page_numbers{0, 699});
  }
}
