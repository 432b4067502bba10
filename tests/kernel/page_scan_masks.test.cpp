// The categories of pages, and the four masks that select by them.
#include <doctest/doctest.h>
#include <sys/mman.h>

#include <gcbarrier/kernel/page_scan.hpp>
#include <support/memory.hpp>
#include <support/page_watch.hpp>

namespace kernel = gcbarrier::kernel;
namespace uapi = gcbarrier::kernel::uapi;
using support::memory;
using support::memory_kind;
using support::page_numbers;
using support::page_watch;

namespace {

constexpr std::uint64_t every_category = 255;

// The categories of one page, by a scan that selects everything.
std::uint64_t categories(page_watch& watch, const memory& heap, std::size_t page) {
  auto request = watch.ask(heap.range(page, 1));
  request.require_registered = false;
  request.all_of = 0;
  request.returned = every_category;
  const auto answer = watch.scan(request);
  REQUIRE(answer);
  return answer->regions.empty() ? 0 : answer->regions[0].categories;
}

// The page numbers that match the masks.
page_numbers matching(page_watch& watch, const memory& heap, std::uint64_t inverted, std::uint64_t all_of,
                      std::uint64_t any_of) {
  auto request = watch.ask(heap.range());
  request.inverted = inverted;
  request.all_of = all_of;
  request.any_of = any_of;
  request.returned = every_category;
  const auto answer = watch.scan(request);
  REQUIRE(answer);
  REQUIRE(answer->complete);
  return heap.pages_in(answer->regions);
}

// Eight pages: 0 and 1 armed and clean, 2 and 3 armed and written, 4 and 5 armed and never touched, 6 and 7
// the zero page, armed.
struct mixture {
  memory heap{memory_kind::untouched, 8};
  page_watch watch;
  mixture() {
    for (const std::size_t number : {0, 1, 2, 3}) heap.write(number);
    for (const std::size_t number : {6, 7}) (void)heap.read(number);
    REQUIRE_FALSE(watch.add(heap.range()));
    REQUIRE_FALSE(watch.arm(heap.range()));
    heap.write(2);
    heap.write(3);
  }
};

}  // namespace

TEST_CASE("page_scan: WPALLOWED says that the mapping is registered") {
  for (const memory_kind kind : support::every_memory_kind) {
    CAPTURE(name_of(kind));
    const memory heap(kind, 2);
    page_watch watch;
    CHECK((categories(watch, heap, 0) & uapi::page_is_wpallowed) == 0);
    REQUIRE_FALSE(watch.add(heap.range()));
    CHECK((categories(watch, heap, 0) & uapi::page_is_wpallowed) != 0);
  }
}

TEST_CASE("page_scan: WRITTEN says that the protect bit is absent, so before arming every page has it") {
  for (const memory_kind kind : support::every_memory_kind) {
    CAPTURE(name_of(kind));
    const memory heap(kind, 2);
    page_watch watch;
    REQUIRE_FALSE(watch.add(heap.range()));
    CHECK((categories(watch, heap, 0) & uapi::page_is_written) != 0);
    CHECK((categories(watch, heap, 1) & uapi::page_is_written) != 0);
    REQUIRE_FALSE(watch.arm(heap.range()));
    heap.write(1);
    CHECK((categories(watch, heap, 0) & uapi::page_is_written) == 0);
    CHECK((categories(watch, heap, 1) & uapi::page_is_written) != 0);
  }
}

TEST_CASE("page_scan: FILE, PRESENT, PFNZERO and HUGE say what backs a page") {
  page_watch watch;
  const std::uint64_t backing = uapi::page_is_file | uapi::page_is_present | uapi::page_is_swapped |
                                uapi::page_is_pfnzero | uapi::page_is_huge;
  const auto backed_by = [&](const memory& heap) { return categories(watch, heap, 0) & backing; };

  const memory small(memory_kind::small_pages, 2);
  CHECK(backed_by(small) == uapi::page_is_present);
  const memory huge(memory_kind::huge_pages, 512);
  CHECK(backed_by(huge) == (uapi::page_is_present | uapi::page_is_huge));
  const memory shared(memory_kind::memfd_shared, 2);
  CHECK(backed_by(shared) == (uapi::page_is_present | uapi::page_is_file));
  const memory copied(memory_kind::memfd_private, 2);
  CHECK(backed_by(copied) == uapi::page_is_present);
  const memory untouched(memory_kind::untouched, 2);
  CHECK(backed_by(untouched) == 0);
  (void)untouched.read(0);
  CHECK(backed_by(untouched) == (uapi::page_is_present | uapi::page_is_pfnzero));
}

TEST_CASE("page_scan: all_of wants every category") {
  mixture pages;
  CHECK(matching(pages.watch, pages.heap, 0, uapi::page_is_written, 0) == page_numbers{2, 3});
  CHECK(matching(pages.watch, pages.heap, 0, uapi::page_is_present, 0) == page_numbers{0, 1, 2, 3, 6, 7});
  CHECK(matching(pages.watch, pages.heap, 0, uapi::page_is_present | uapi::page_is_pfnzero, 0) ==
        page_numbers{6, 7});
  CHECK(matching(pages.watch, pages.heap, 0, uapi::page_is_written | uapi::page_is_file, 0).empty());
  CHECK(matching(pages.watch, pages.heap, 0, 0, 0) == support::consecutive(0, 8));
}

TEST_CASE("page_scan: any_of wants at least one category") {
  mixture pages;
  CHECK(matching(pages.watch, pages.heap, 0, 0, uapi::page_is_written | uapi::page_is_pfnzero) ==
        page_numbers{2, 3, 6, 7});
  CHECK(matching(pages.watch, pages.heap, 0, uapi::page_is_present,
                 uapi::page_is_written | uapi::page_is_swapped) == page_numbers{2, 3});
  CHECK(matching(pages.watch, pages.heap, 0, 0, uapi::page_is_file | uapi::page_is_huge).empty());
  // An armed page that was never touched is a marker in a swap entry's place, and is said to be swapped.
  CHECK(matching(pages.watch, pages.heap, 0, 0, uapi::page_is_file | uapi::page_is_swapped) ==
        page_numbers{4, 5});
}

TEST_CASE("page_scan: inverted categories count by their absence") {
  mixture pages;
  CHECK(matching(pages.watch, pages.heap, uapi::page_is_written, uapi::page_is_written, 0) ==
        page_numbers{0, 1, 4, 5, 6, 7});
  // Present and not the zero page and not written.
  const std::uint64_t both = uapi::page_is_written | uapi::page_is_pfnzero;
  CHECK(matching(pages.watch, pages.heap, both, both | uapi::page_is_present, 0) == page_numbers{0, 1});
  // Written, or not present.
  CHECK(matching(pages.watch, pages.heap, uapi::page_is_present, 0,
                 uapi::page_is_written | uapi::page_is_present) == page_numbers{2, 3, 4, 5});
}

TEST_CASE("page_scan: returned says which categories regions carry, and regions merge by those alone") {
  mixture pages;
  auto request = pages.watch.ask(pages.heap.range());
  request.all_of = 0;
  request.returned = uapi::page_is_present;
  auto answer = pages.watch.scan(request);
  REQUIRE(answer);
  REQUIRE(answer->regions.size() == 3);  // a page that matches but has none of them is in a region of its own
  CHECK(answer->regions[0].categories == uapi::page_is_present);
  CHECK(answer->regions[1].categories == 0);
  CHECK(pages.heap.pages_in(answer->regions.subspan(1, 1)) == page_numbers{4, 5});
  CHECK(answer->regions[2].categories == uapi::page_is_present);

  request.returned = uapi::page_is_written | uapi::page_is_wpallowed;
  answer = pages.watch.scan(request);
  REQUIRE(answer);
  REQUIRE(answer->regions.size() == 3);
  CHECK(answer->regions[0].categories == uapi::page_is_wpallowed);
  CHECK(answer->regions[1].categories == (uapi::page_is_written | uapi::page_is_wpallowed));
  CHECK(answer->regions[2].categories == uapi::page_is_wpallowed);

  // What is returned is the page's, whatever was inverted to select it.
  request.inverted = uapi::page_is_written;
  request.all_of = uapi::page_is_written;
  request.returned = uapi::page_is_written | uapi::page_is_present;
  answer = pages.watch.scan(request);
  REQUIRE(answer);
  for (const auto& region : answer->regions) CHECK(region.categories != uapi::page_is_written);
}

TEST_CASE("page_scan: protecting touches the pages that matched, and no others") {
  mixture pages;
  REQUIRE_FALSE(pages.watch.disarm(pages.heap.range()));
  auto request = pages.watch.ask(pages.heap.range());
  request.all_of = uapi::page_is_present | uapi::page_is_pfnzero;
  request.returned = every_category;
  request.protect = true;
  REQUIRE(pages.watch.scan(request));
  CHECK(pages.watch.written(pages.heap) == support::consecutive(0, 6));
}
