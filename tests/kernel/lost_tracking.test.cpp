// What ends tracking without a word, and how it is noticed: by the check of registration, and for holes,
// which that check lets pass, by msync.
#include <doctest/doctest.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include <cerrno>
#include <gcbarrier/kernel/page_scan.hpp>
#include <support/child.hpp>
#include <support/memory.hpp>
#include <support/page_watch.hpp>

namespace kernel = gcbarrier::kernel;
using support::exited;
using support::memory;
using support::memory_kind;
using support::page_numbers;
using support::page_watch;

namespace {

// What uffd_async asks before each scan.
bool has_holes(gcbarrier::address_range range) {
  return kernel::system_calls{}.call(SYS_msync, range.begin, range.bytes(), MS_ASYNC) == -ENOMEM;
}

// Runs the test body over armed memory of each kind.
template <class F>
void for_each_armed_kind(F body) {
  for (const memory_kind kind : support::every_memory_kind) {
    CAPTURE(name_of(kind));
    const memory heap(kind, 600);
    page_watch watch(heap);
    CHECK_FALSE(has_holes(heap.range()));
    body(heap, watch);
  }
}

}  // namespace

TEST_CASE("lost: UNREGISTER") {
  for_each_armed_kind([](const memory& heap, page_watch& watch) {
    REQUIRE_FALSE(watch.remove(heap.range(100, 1)));
    CHECK(watch.scan_error(watch.ask(heap.range())).code == EPERM);
    CHECK_FALSE(watch.scan_error(watch.ask(heap.range(0, 100))));
  });
}

TEST_CASE("lost: MAP_FIXED over the range") {
  for_each_armed_kind([](const memory& heap, page_watch& watch) {
    REQUIRE(::mmap(heap.page(100), 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
                   0) == heap.page(100));
    CHECK(watch.scan_error(watch.ask(heap.range())).code == EPERM);
    CHECK_FALSE(has_holes(heap.range()));
  });
}

TEST_CASE("lost: mremap moves the memory out of tracking, and leaves a hole") {
  for_each_armed_kind([](const memory& heap, page_watch& watch) {
    const memory elsewhere(memory_kind::untouched, 1, heap.pages());  // unmaps what is moved into it
    void* const moved =
        ::mremap(heap.data(), heap.bytes(), heap.bytes(), MREMAP_MAYMOVE | MREMAP_FIXED, elsewhere.data());
    REQUIRE(moved != MAP_FAILED);
    CHECK(watch.scan_error(watch.ask({moved, heap.bytes()})).code == EPERM);
    CHECK_FALSE(watch.scan_error(watch.ask(heap.range())));
    CHECK(has_holes(heap.range()));
  });
}

TEST_CASE("lost: mremap that leaves the old mapping in place empties it, and it is not tracked") {
  const memory heap(memory_kind::small_pages, 8);
  page_watch watch(heap);
  void* const moved =
      ::mremap(heap.data(), heap.bytes(), heap.bytes(), MREMAP_MAYMOVE | MREMAP_DONTUNMAP, nullptr);
  REQUIRE(moved != MAP_FAILED);
  CHECK_FALSE(has_holes(heap.range()));
  CHECK(watch.scan_error(watch.ask({moved, heap.bytes()})).code == EPERM);
  // Either answer is sound for the old range, as long as it is not "clean": its contents are gone.
  const auto old = watch.scan(watch.ask(heap.range()));
  CHECK((!old || heap.pages_in(old->regions) == support::consecutive(0, 8)));
  ::munmap(moved, heap.bytes());
}

TEST_CASE("lost: the userfaultfd is closed") {
  for_each_armed_kind([](const memory& heap, page_watch& watch) {
    watch.close_userfaultfd();
    heap.write(1);
    CHECK(watch.scan_error(watch.ask(heap.range())).code == EPERM);
  });
}

TEST_CASE("lost: a hole passes the check of registration, and msync sees it") {
  for_each_armed_kind([](const memory& heap, page_watch& watch) {
    REQUIRE(::munmap(heap.page(200), 3 * 4096) == 0);
    CHECK_FALSE(watch.scan_error(watch.ask(heap.range())));
    CHECK(has_holes(heap.range()));
    CHECK_FALSE(has_holes(heap.range(0, 200)));
    CHECK_FALSE(has_holes(heap.range(203, 397)));
  });
}

TEST_CASE("lost: inaccessible memory is no hole") {
  for_each_armed_kind([](const memory& heap, page_watch&) {
    REQUIRE(::mprotect(heap.page(200), 3 * 4096, PROT_NONE) == 0);
    CHECK_FALSE(has_holes(heap.range()));
  });
}

TEST_CASE("lost: a forked child is not registered, and the parent goes on") {
  for_each_armed_kind([](const memory& heap, page_watch& watch) {
    heap.write(5);
    const auto child = support::run_in_child([&] {
      const kernel::descriptor own(
          {}, static_cast<int>(kernel::system_calls{}.open("/proc/self/pagemap", O_RDONLY)));
      heap.write(6);  // in shared memory this is no write of the parent's
      const auto answer = kernel::scan_pages({}, own.number(), watch.ask(heap.range()));
      if (answer) return 1;
      if (answer.error().code != EPERM) return 2;
      return 0;
    });
    CHECK(child == exited(0));
    CHECK(watch.collect(heap) == page_numbers{5});
    heap.write(7);
    CHECK(watch.collect(heap) == page_numbers{7});
  });
}

TEST_CASE("lost: a pagemap descriptor that a child inherits names the parent's memory") {
  for_each_armed_kind([](const memory& heap, page_watch& watch) {
    heap.write(5);
    const auto child = support::run_in_child([&] {
      auto request = watch.ask(heap.range());
      request.protect = true;
      const auto answer = watch.scan(request);
      if (!answer) return 1;
      return heap.pages_in(answer->regions) == page_numbers{5} ? 0 : 2;
    });
    CHECK(child == exited(0));
    // The child has taken the parent's bits away: this is what the fork sentinel is there to prevent.
    CHECK(watch.collect(heap).empty());
  });
}
