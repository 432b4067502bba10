// What madvise and mlock do to the state of pages. Those that widen the set may change in later kernels;
// those that must never make a written page read as clean are what soundness stands on.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <gcbarrier/kernel/uapi.hpp>
#include <support/memory.hpp>
#include <support/page_watch.hpp>
#include <support/skip.hpp>

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#define MADV_GUARD_REMOVE 103
#endif

using support::memory;
using support::memory_kind;
using support::page_numbers;
using support::page_watch;

namespace {

constexpr std::size_t pages = 600;

bool is_anonymous(memory_kind kind) {
  return kind != memory_kind::memfd_shared && kind != memory_kind::memfd_private;
}

// Advises about armed memory of each kind, of which page 3 was written.
template <class F>
void advise_each_kind(int advice, F check) {
  for (const memory_kind kind : support::every_memory_kind) {
    CAPTURE(name_of(kind));
    const memory heap(kind, pages);
    page_watch watch(heap);
    heap.write(3);
    const bool advised = ::madvise(heap.data(), heap.bytes(), advice) == 0;
    check(heap, watch, advised);
  }
}

const auto keeps_state = [](const memory& heap, page_watch& watch, bool advised) {
  REQUIRE(advised);
  CHECK(watch.collect(heap) == page_numbers{3});
  heap.write(4);
  CHECK(watch.collect(heap) == page_numbers{4});
};

const auto marks_everything = [](const memory& heap, page_watch& watch, bool advised) {
  REQUIRE(advised);
  CHECK(watch.collect(heap) == support::consecutive(0, pages));
  CHECK(watch.collect(heap).empty());
};

}  // namespace

TEST_CASE("madvise: COLD keeps the state") {
  advise_each_kind(MADV_COLD, keeps_state);
}
TEST_CASE("madvise: PAGEOUT keeps the state") {
  advise_each_kind(MADV_PAGEOUT, keeps_state);
}
TEST_CASE("madvise: POPULATE_READ keeps the state") {
  advise_each_kind(MADV_POPULATE_READ, keeps_state);
}
TEST_CASE("madvise: POPULATE_WRITE marks everything") {
  advise_each_kind(MADV_POPULATE_WRITE, marks_everything);
}

TEST_CASE("madvise: mlock marks everything") {
  for (const memory_kind kind : support::every_memory_kind) {
    CAPTURE(name_of(kind));
    const memory heap(kind, pages);
    page_watch watch(heap);
    // Not mlock(), which the sanitizers make do nothing.
    REQUIRE(::syscall(SYS_mlock, heap.data(), heap.bytes()) == 0);
    // Of a shared mapping only what was not there yet would be faulted in, for reading.
    if (kind != memory_kind::memfd_shared) CHECK(watch.collect(heap) == support::consecutive(0, pages));
    REQUIRE(::syscall(SYS_munlock, heap.data(), heap.bytes()) == 0);
    heap.write(3);
    CHECK(watch.collect(heap) == page_numbers{3});
  }
}

TEST_CASE("madvise: DONTNEED makes anonymous memory written, and memory of a file keeps its state") {
  advise_each_kind(MADV_DONTNEED, [](const memory& heap, page_watch& watch, bool advised) {
    if (is_anonymous(heap.kind())) {
      marks_everything(heap, watch, advised);
    } else {
      keeps_state(heap, watch, advised);
    }
  });
}

TEST_CASE("madvise: DONTNEED of one page in the middle") {
  for (const memory_kind kind : support::every_memory_kind) {
    if (!is_anonymous(kind)) continue;
    CAPTURE(name_of(kind));
    const memory heap(kind, pages);
    page_watch watch(heap);
    REQUIRE(::madvise(heap.page(100), memory::page_size(), MADV_DONTNEED) == 0);
    CHECK(watch.collect(heap) == page_numbers{100});
    CHECK(heap.read(100) == 0);
    heap.write(100);
    CHECK(watch.collect(heap) == page_numbers{100});
  }
}

// Not on memory of a file: installing a guard on a protected page of it spins in the kernel (6.18) until a
// signal comes, because dropping the page leaves the protection's marker where the guard's should go.
TEST_CASE("madvise: a guard takes the protection away, and its page reads as written until armed") {
  for (const memory_kind kind : support::every_memory_kind) {
    if (!is_anonymous(kind)) continue;
    CAPTURE(name_of(kind));
    const memory heap(kind, pages);
    page_watch watch(heap);
    if (::madvise(heap.page(100), memory::page_size(), MADV_GUARD_INSTALL) != 0) {
      SKIP_TEST("MADV_GUARD_INSTALL needs Linux 6.13");
    }
    CHECK(watch.collect(heap) == page_numbers{100});
    CHECK(watch.collect(heap).empty());
    REQUIRE(::madvise(heap.page(100), memory::page_size(), MADV_GUARD_REMOVE) == 0);
    CHECK(watch.collect(heap) == page_numbers{100});
    CHECK(watch.collect(heap).empty());
    heap.write(100);
    CHECK(watch.collect(heap) == page_numbers{100});
  }
}

TEST_CASE("madvise: FREE stays clean until the pages are reclaimed, and a write cancels it") {
  advise_each_kind(MADV_FREE, [](const memory& heap, page_watch& watch, bool advised) {
    CHECK(advised == is_anonymous(heap.kind()));
    if (!advised) return;
    CHECK(watch.collect(heap) == page_numbers{3});
    heap.write(5);
    CHECK(watch.collect(heap) == page_numbers{5});
  });
}

// ---- not seen, though what a load returns changes: what always_dirty() is for ----

TEST_CASE("madvise: DONTNEED takes a private memfd's copies away, and its pages read as clean") {
  const memory heap(memory_kind::memfd_private, pages);
  page_watch watch(heap);
  REQUIRE(heap.read(100) == 1);
  REQUIRE(::madvise(heap.page(100), memory::page_size(), MADV_DONTNEED) == 0);
  CHECK(heap.read(100) == 0);
  CHECK(watch.collect(heap).empty());
  heap.write(100);
  CHECK(watch.collect(heap) == page_numbers{100});
}

TEST_CASE("madvise: REMOVE zeroes shared memory, and its pages read as clean") {
  const auto page = static_cast<off_t>(memory::page_size());
  const memory heap(memory_kind::memfd_shared, pages);
  page_watch watch(heap);
  REQUIRE(::madvise(heap.page(100), memory::page_size(), MADV_REMOVE) == 0);
  REQUIRE(::fallocate(heap.file(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 200 * page, page) == 0);
  CHECK(heap.read(100) == 0);
  CHECK(heap.read(200) == 0);
  CHECK(watch.collect(heap).empty());
  heap.write(100);
  heap.write(200);
  CHECK(watch.collect(heap) == page_numbers{100, 200});
}
