// Transparent huge pages under tracking, and the hugetlb pages that are refused.
#include <doctest/doctest.h>
#include <sys/mman.h>

#include <cerrno>
#include <cstdio>
#include <gcbarrier/kernel/uapi.hpp>
#include <support/memory.hpp>
#include <support/page_watch.hpp>
#include <support/skip.hpp>

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

namespace uapi = gcbarrier::kernel::uapi;
using support::consecutive;
using support::memory;
using support::memory_kind;
using support::page_numbers;
using support::page_watch;

namespace {

constexpr std::size_t in_huge = 512;

// The pages that a huge page maps.
page_numbers huge_pages(page_watch& watch, const memory& heap) {
  auto request = watch.ask(heap.range());
  request.require_registered = false;
  request.all_of = uapi::page_is_huge;
  request.returned = uapi::page_is_huge;
  const auto answer = watch.scan(request);
  REQUIRE(answer);
  return heap.pages_in(answer->regions);
}

page_numbers without_block(std::size_t block, std::size_t blocks) {
  page_numbers numbers;
  for (std::size_t i = 0; i < blocks * in_huge; ++i) {
    if (i / in_huge != block) numbers.push_back(i);
  }
  return numbers;
}

bool available(const memory& heap, page_watch& watch) {
  return huge_pages(watch, heap).size() == heap.pages();
}

}  // namespace

#define SKIP_WITHOUT_HUGE_PAGES(heap, watch) \
  if (!available(heap, watch)) SKIP_TEST("the kernel gave no transparent huge pages")

TEST_CASE("huge pages: arming keeps them, and they are clean") {
  const memory heap(memory_kind::huge_pages, 4 * in_huge);
  page_watch watch;
  SKIP_WITHOUT_HUGE_PAGES(heap, watch);
  REQUIRE_FALSE(watch.add(heap.range()));
  CHECK(watch.written(heap) == consecutive(0, 4 * in_huge));
  REQUIRE_FALSE(watch.arm(heap.range()));
  CHECK(watch.written(heap).empty());
  CHECK(huge_pages(watch, heap) == consecutive(0, 4 * in_huge));
}

TEST_CASE("huge pages: protecting by a scan keeps them too") {
  const memory heap(memory_kind::huge_pages, 4 * in_huge);
  page_watch watch;
  SKIP_WITHOUT_HUGE_PAGES(heap, watch);
  REQUIRE_FALSE(watch.add(heap.range()));
  CHECK(watch.collect(heap) == consecutive(0, 4 * in_huge));
  CHECK(watch.written(heap).empty());
  CHECK(huge_pages(watch, heap) == consecutive(0, 4 * in_huge));
}

TEST_CASE("huge pages: the first write splits one and marks one page of it") {
  const memory heap(memory_kind::huge_pages, 3 * in_huge);
  page_watch watch(heap);
  SKIP_WITHOUT_HUGE_PAGES(heap, watch);
  heap.write(in_huge + 100);
  CHECK(watch.written(heap) == page_numbers{in_huge + 100});
  CHECK(huge_pages(watch, heap) == without_block(1, 3));
  heap.write(in_huge + 101);
  CHECK(watch.collect(heap) == page_numbers{in_huge + 100, in_huge + 101});
}

TEST_CASE("huge pages: half a written huge page is protected, the other half stays written") {
  for (const bool by_scan : {true, false}) {
    CAPTURE(by_scan);
    for (const bool upper : {true, false}) {
      CAPTURE(upper);
      const memory heap(memory_kind::huge_pages, 3 * in_huge);
      page_watch watch(heap);
      SKIP_WITHOUT_HUGE_PAGES(heap, watch);
      REQUIRE_FALSE(watch.disarm(heap.range()));
      const std::size_t first = in_huge + (upper ? in_huge / 2 : 0);
      const auto half = heap.range(first, in_huge / 2);
      if (by_scan) {
        auto request = watch.ask(half);
        request.protect = true;
        const auto answer = watch.scan(request);
        REQUIRE(answer);
        CHECK(heap.pages_in(answer->regions) == consecutive(first, in_huge / 2));
      } else {
        REQUIRE_FALSE(watch.arm(half));
      }
      page_numbers rest;
      for (const std::size_t page : consecutive(0, 3 * in_huge)) {
        if (page < first || page >= first + in_huge / 2) rest.push_back(page);
      }
      CHECK(watch.written(heap) == rest);
      CHECK(huge_pages(watch, heap) == without_block(1, 3));
      heap.write(first);
      CHECK(watch.collect(heap).size() == rest.size() + 1);
      CHECK(watch.written(heap).empty());
    }
  }
}

TEST_CASE("huge pages: max_pages in the middle of one protects no more than it reports") {
  const memory heap(memory_kind::huge_pages, 2 * in_huge);
  page_watch watch(heap);
  SKIP_WITHOUT_HUGE_PAGES(heap, watch);
  REQUIRE_FALSE(watch.disarm(heap.range()));
  auto request = watch.ask(heap.range());
  request.protect = true;
  request.max_pages = 100;
  const auto answer = watch.scan(request);
  REQUIRE(answer);
  const page_numbers reported = heap.pages_in(answer->regions);
  CHECK(reported.size() <= 100);
  CHECK(watch.written(heap) == consecutive(reported.size(), 2 * in_huge - reported.size()));
}

TEST_CASE("huge pages: an armed empty range never gets one") {
  for (const bool armed : {false, true}) {
    CAPTURE(armed);
    const memory heap(memory_kind::untouched, 2 * in_huge);
    REQUIRE(::madvise(heap.data(), heap.bytes(), MADV_HUGEPAGE) == 0);
    page_watch watch;
    REQUIRE_FALSE(watch.add(heap.range()));
    if (armed) REQUIRE_FALSE(watch.arm(heap.range()));
    heap.touch();
    if (!armed) SKIP_WITHOUT_HUGE_PAGES(heap, watch);
    CHECK(huge_pages(watch, heap).size() == (armed ? 0 : heap.pages()));
  }
}

TEST_CASE("huge pages: MADV_COLLAPSE refuses while any page is protected, and works after") {
  const memory heap(memory_kind::small_pages, in_huge);
  page_watch watch(heap);
  REQUIRE_FALSE(watch.disarm(heap.range()));
  REQUIRE_FALSE(watch.arm(heap.range(17, 1)));
  CHECK(::madvise(heap.data(), heap.bytes(), MADV_COLLAPSE) == -1);
  CHECK(errno == EINVAL);
  CHECK(watch.written(heap).size() == in_huge - 1);
  REQUIRE_FALSE(watch.disarm(heap.range()));
  if (::madvise(heap.data(), heap.bytes(), MADV_COLLAPSE) != 0) {
    SKIP_TEST("MADV_COLLAPSE found no free huge page");
  }
  CHECK(huge_pages(watch, heap).size() == in_huge);
  // Collapsed memory is written until it is armed again.
  CHECK(watch.collect(heap) == consecutive(0, in_huge));
  heap.write(40);
  CHECK(watch.collect(heap) == page_numbers{40});
}

// Holes in write-protected hugetlb memory hang some kernels beyond killing. MAP_NORESERVE needs no pool.
TEST_CASE("huge pages: hugetlb is refused, and left unregistered") {
  void* const mapped = ::mmap(nullptr, 2 * support::huge_page, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_NORESERVE, -1, 0);
  if (mapped == MAP_FAILED) SKIP_TEST("no hugetlb here");
  const gcbarrier::address_range range(mapped, 2 * support::huge_page);
  page_watch watch;
  const gcbarrier::error why = watch.add(range);
  CHECK(why.code == ENOTSUP);
  CHECK(std::string_view(why.advice).find("hugetlb") != std::string_view::npos);
  CHECK(watch.scan_error(watch.ask(range)).code == EPERM);
  ::munmap(mapped, 2 * support::huge_page);
}
