// Every field of the typed wrapper, against the running kernel. Masks: page_scan_masks.test.cpp; refusals:
// page_scan_errors.test.cpp.
#include <doctest/doctest.h>

#include <cerrno>
#include <gcbarrier/kernel/page_scan.hpp>
#include <support/faked_calls.hpp>
#include <support/memory.hpp>
#include <support/page_watch.hpp>
#include <vector>

namespace kernel = gcbarrier::kernel;
namespace uapi = gcbarrier::kernel::uapi;
using support::memory;
using support::memory_kind;
using support::page_numbers;
using support::page_watch;

namespace {

// Writes to the pages of the list.
void write_all(const memory& to, const page_numbers& numbers) {
  for (const std::size_t number : numbers) to.write(number, 7);
}

}  // namespace

TEST_CASE("page_scan: regions are the runs of written pages, each with its categories") {
  const memory heap(memory_kind::small_pages, 16);
  page_watch watch(heap);
  write_all(heap, {0, 3, 4, 5, 15});
  const auto answer = watch.scan(watch.ask(heap.range()));
  REQUIRE(answer);
  REQUIRE(answer->regions.size() == 3);
  const std::size_t firsts[] = {0, 3, 15};
  const std::size_t counts[] = {1, 3, 1};
  for (int i = 0; i < 3; ++i) {
    CHECK(answer->regions[i].start == heap.range(firsts[i], counts[i]).begin);
    CHECK(answer->regions[i].end == heap.range(firsts[i], counts[i]).end);
    CHECK(answer->regions[i].categories == uapi::page_is_written);
  }
  CHECK(answer->complete);
  CHECK(answer->walk_end == heap.range().end);
}

TEST_CASE("page_scan: only the range is looked at") {
  const memory heap(memory_kind::small_pages, 16);
  page_watch watch(heap);
  heap.touch();
  const auto answer = watch.scan(watch.ask(heap.range(5, 4)));
  REQUIRE(answer);
  CHECK(heap.pages_in(answer->regions) == support::consecutive(5, 4));
  CHECK(answer->walk_end == heap.range(5, 4).end);
}

TEST_CASE("page_scan: the end is rounded up to a page") {
  const memory heap(memory_kind::small_pages, 8);
  page_watch watch(heap);
  heap.touch();
  for (const std::size_t extra : {std::size_t{1}, memory::page_size() - 1}) {
    auto request = watch.ask({heap.range(2, 2).begin, heap.range(2, 2).end + extra});
    const auto answer = watch.scan(request);
    REQUIRE(answer);
    CHECK(heap.pages_in(answer->regions) == page_numbers{2, 3, 4});
    CHECK(answer->regions.back().end == heap.range(2, 3).end);
  }
}

TEST_CASE("page_scan: an empty range has nothing in it") {
  const memory heap(memory_kind::small_pages, 1);
  page_watch watch(heap);
  heap.touch();
  const auto answer = watch.scan(watch.ask(heap.range(0, 0)));
  REQUIRE(answer);
  CHECK(answer->regions.empty());
  CHECK(answer->complete);
}

TEST_CASE("page_scan: a short vector stops the walk, and the rest follows from the last region's end") {
  const memory heap(memory_kind::small_pages, 32);
  page_watch watch(heap);
  const page_numbers written{1, 2, 7, 9, 10, 11, 20, 31};
  write_all(heap, written);
  for (const bool protect : {false, true}) {
    CAPTURE(protect);
    page_numbers seen;
    gcbarrier::address_range rest = heap.range();
    for (int calls = 0; calls < 32; ++calls) {
      auto request = watch.ask(rest, 2);
      request.protect = protect;
      const auto answer = watch.scan(request);
      REQUIRE(answer);
      for (const std::size_t number : heap.pages_in(answer->regions)) seen.push_back(number);
      if (answer->complete) break;
      REQUIRE(answer->regions.size() == 2);
      CHECK(answer->walk_end >= answer->regions.back().end);
      rest.begin = answer->regions.back().end;
    }
    CHECK(seen == written);
  }
  CHECK(watch.written(heap).empty());
}

TEST_CASE("page_scan: max_pages stops after so many matching pages, and protects no more than those") {
  const memory heap(memory_kind::small_pages, 32);
  page_watch watch(heap);
  write_all(heap, {0, 1, 2, 3, 8, 9, 20});
  auto request = watch.ask(heap.range());
  request.max_pages = 3;
  request.protect = true;
  auto answer = watch.scan(request);
  REQUIRE(answer);
  CHECK(heap.pages_in(answer->regions) == page_numbers{0, 1, 2});
  CHECK(answer->walk_end == heap.range(0, 3).end);
  request.max_pages = 2;
  answer = watch.scan(request);
  REQUIRE(answer);
  CHECK(heap.pages_in(answer->regions) == page_numbers{3, 8});
  CHECK(answer->walk_end == heap.range(0, 9).end);
  CHECK(watch.written(heap) == page_numbers{9, 20});
  request.max_pages = 1000;
  request.protect = false;
  answer = watch.scan(request);
  REQUIRE(answer);
  CHECK(heap.pages_in(answer->regions) == page_numbers{9, 20});
}

TEST_CASE("page_scan: reading only changes nothing, reading and protecting cleans") {
  const memory heap(memory_kind::small_pages, 8);
  page_watch watch(heap);
  write_all(heap, {2, 6});
  for (int i = 0; i < 3; ++i) CHECK(watch.written(heap) == page_numbers{2, 6});
  CHECK(watch.collect(heap) == page_numbers{2, 6});
  CHECK(watch.written(heap).empty());
  heap.write(6);
  CHECK(watch.collect(heap) == page_numbers{6});
}

TEST_CASE("page_scan: without a vector it protects nothing and finds the walk's end") {
  const memory heap(memory_kind::small_pages, 8);
  page_watch watch(heap);
  heap.touch();
  auto request = watch.ask(heap.range(), 0);
  request.regions = {};
  const auto answer = watch.scan(request);
  REQUIRE(answer);
  CHECK(answer->regions.empty());
  CHECK(answer->complete);
  CHECK(watch.written(heap).size() == 8);
}

TEST_CASE("page_scan: the descriptor's check of registration is asked for by default") {
  const memory heap(memory_kind::small_pages, 4);
  page_watch watch;
  CHECK(watch.scan_error(watch.ask(heap.range())).code == EPERM);
  auto request = watch.ask(heap.range());
  request.require_registered = false;
  const auto answer = watch.scan(request);
  REQUIRE(answer);
  CHECK(heap.pages_in(answer->regions) == support::consecutive(0, 4));
}

TEST_CASE("page_scan: every field of the request reaches the kernel, and every field of the answer returns") {
  uapi::pm_scan_arg seen{};
  int descriptor = 0;
  support::faked_calls fake([&](long number, support::faked_calls::argument_list a) -> std::optional<long> {
    REQUIRE(number == SYS_ioctl);
    REQUIRE(static_cast<unsigned long>(a[1]) == uapi::ioctl_pagemap_scan);
    descriptor = static_cast<int>(a[0]);
    auto* const argument = reinterpret_cast<uapi::pm_scan_arg*>(a[2]);
    seen = *argument;
    argument->walk_end = 0x7777000;
    reinterpret_cast<uapi::page_region*>(argument->vec)[0] = {0x3000, 0x5000, 0x2a};
    return 1;
  });
  uapi::page_region room[3];
  kernel::scan_request request;
  request.range = {0x1000, 0x9000};
  request.regions = room;
  request.protect = true;
  request.max_pages = 11;
  request.inverted = 12;
  request.all_of = 13;
  request.any_of = 14;
  request.returned = 15;
  const auto answer = kernel::scan_pages(fake.calls(), 99, request);
  REQUIRE(answer);
  CHECK(descriptor == 99);
  CHECK(seen.size == 96);
  CHECK(seen.flags == (uapi::scan_wp_matching | uapi::scan_check_wpasync));
  CHECK(seen.start == 0x1000);
  CHECK(seen.end == 0x9000);
  CHECK(seen.walk_end == 0);
  CHECK(seen.vec == reinterpret_cast<std::uintptr_t>(room));
  CHECK(seen.vec_len == 3);
  CHECK(seen.max_pages == 11);
  CHECK(seen.category_inverted == 12);
  CHECK(seen.category_mask == 13);
  CHECK(seen.category_anyof_mask == 14);
  CHECK(seen.return_mask == 15);
  CHECK(answer->walk_end == 0x7777000);
  REQUIRE(answer->regions.size() == 1);
  CHECK(answer->regions[0].start == 0x3000);
  CHECK(answer->regions[0].end == 0x5000);
  CHECK(answer->regions[0].categories == 0x2a);
  CHECK(answer->complete);

  request.protect = false;
  (void)kernel::scan_pages(fake.calls(), 99, request);
  CHECK(seen.flags == uapi::scan_check_wpasync);
  request.require_registered = false;
  request.protect = true;
  (void)kernel::scan_pages(fake.calls(), 99, request);
  CHECK(seen.flags == uapi::scan_wp_matching);
  request.regions = {room, 1};
  const auto full = kernel::scan_pages(fake.calls(), 99, request);
  REQUIRE(full);
  CHECK_FALSE(full->complete);
}
