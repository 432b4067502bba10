// write_tracker: adding, growing, shrinking and removing arenas, and what is refused.
#include <doctest/doctest.h>
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <support/faked_calls.hpp>
#include <utility>
#include <vector>

#include "tracked.hpp"

using gcbarrier::address_range;
using support::consecutive;
using support::memory;
using support::memory_kind;
using support::page_numbers;
using support::tracked;

namespace {

// The add was refused for this reason, and nothing is tracked.
template <class Case>
void check_refused(tracked<Case>& one, address_range range, int code) {
  const std::size_t before = one.tracker.arena_count();
  const gcbarrier::error why = one.tracker.add_arena(range);
  CHECK(why.code == code);
  CHECK(*why.advice != '\0');
  CHECK(one.tracker.arena_count() == before);
}

}  // namespace

TEST_CASE_TEMPLATE("arenas: without any, every set is empty", Case, MECHANISMS) {
  tracked<Case> one;
  CHECK(one.tracker.collect().empty());
  CHECK(one.tracker.peek().empty());
  one.arm();
  CHECK(one.tracker.arena_count() == 0);
  CHECK(one.tracker.tracked_bytes() == 0);
}

TEST_CASE_TEMPLATE("arenas: all of a new one is in the next set, unless it is armed first", Case,
                   MECHANISMS) {
  for (const memory_kind kind : support::every_memory_kind) {
    CAPTURE(name_of(kind));
    const memory heap(kind, 600);
    for (const bool armed : {false, true}) {
      tracked<Case> one;
      one.on.models(heap.range());
      REQUIRE_FALSE(one.tracker.add_arena(heap.range()));
      CHECK(one.tracker.tracked_bytes() == heap.bytes());
      CHECK(one.tracker.tracks(heap.range()));
      if (armed) one.arm();
      const page_numbers expected = armed ? page_numbers{} : consecutive(0, 600);
      CHECK(one.peek(heap) == expected);
      CHECK(one.collect(heap) == expected);
      CHECK(one.collect(heap).empty());
    }
  }
}

TEST_CASE_TEMPLATE("arenas: misaligned and empty ones are refused", Case, MECHANISMS) {
  const memory heap(memory_kind::small_pages, 8);
  tracked<Case> one;
  const address_range all = heap.range();
  check_refused(one, {all.begin + 1, all.end}, EINVAL);
  check_refused(one, {all.begin, all.end - 1}, EINVAL);
  check_refused(one, {all.begin, all.begin}, EINVAL);
  check_refused(one, {all.end, all.begin}, EINVAL);
  CHECK(one.tracker.collect().empty());
}

TEST_CASE_TEMPLATE("arenas: overlapping ones are refused", Case, MECHANISMS) {
  const memory heap(memory_kind::small_pages, 16);
  tracked<Case> one;
  REQUIRE_FALSE(one.tracker.add_arena(heap.range(4, 8)));
  for (const auto& [first, count] :
       {std::pair<std::size_t, std::size_t>{4, 8}, {5, 2}, {0, 5}, {11, 5}, {0, 16}}) {
    check_refused(one, heap.range(first, count), EEXIST);
  }
  CHECK_FALSE(one.tracker.add_arena(heap.range(0, 4)));
  CHECK_FALSE(one.tracker.add_arena(heap.range(12, 4)));
}

TEST_CASE_TEMPLATE("arenas: memory that is not there or not writable is refused", Case, MECHANISMS) {
  tracked<Case> one;
  const std::size_t page = memory::page_size();
  for (const int protection : {PROT_READ, PROT_NONE, PROT_WRITE}) {
    const memory heap(memory_kind::small_pages, 8);
    REQUIRE(::mprotect(heap.page(3), page, protection) == 0);
    check_refused(one, heap.range(), EACCES);
    // And is not left half registered.
    CHECK_FALSE(one.tracker.add_arena(heap.range(0, 3)));
    CHECK_FALSE(one.tracker.remove_arena(heap.data()));
  }
  for (const std::size_t missing : {0, 3, 7}) {
    const memory heap(memory_kind::small_pages, 8);
    REQUIRE(::munmap(heap.page(missing), page) == 0);
    check_refused(one, heap.range(), ENOMEM);
  }
  const memory gone(memory_kind::small_pages, 8);
  REQUIRE(::munmap(gone.data(), gone.bytes()) == 0);
  check_refused(one, gone.range(), ENOMEM);
  CHECK(one.tracker.collect().empty());
}

TEST_CASE("arenas: a hole is noticed before the tracker's own tables can fill it") {
  memory heap(memory_kind::small_pages, 8, 16);
  void* hole = nullptr;
  support::faked_calls fake([&](long number, support::faked_calls::argument_list a) -> std::optional<long> {
    if (number != SYS_mmap || hole == nullptr) return std::nullopt;
    const long at = reinterpret_cast<long>(std::exchange(hole, nullptr));
    return support::faked_calls::real(number, {at, a[1], a[2], a[3] | MAP_FIXED, a[4], a[5]});
  });
  auto tracker = gcbarrier::write_tracker::open(
      {.mechanism = std::nullopt, .adopted = std::nullopt, .calls = fake.calls()});
  REQUIRE(tracker);
  REQUIRE(::munmap(heap.page(3), memory::page_size()) == 0);
  hole = heap.page(3);
  CHECK(tracker->add_arena(heap.range()).code == ENOMEM);
  hole = nullptr;
  REQUIRE_FALSE(tracker->add_arena(heap.range(4, 4)));
  heap.grow(16);
  REQUIRE(::munmap(heap.page(9), memory::page_size()) == 0);
  hole = heap.page(9);
  CHECK(tracker->resize_arena(heap.page(4), 12 * memory::page_size()).code == ENOMEM);
}

TEST_CASE_TEMPLATE("arenas: hugetlb is refused", Case, MECHANISMS) {
  void* const mapped = ::mmap(nullptr, support::huge_page, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_NORESERVE, -1, 0);
  REQUIRE(mapped != MAP_FAILED);
  tracked<Case> one;
  check_refused(one, {mapped, support::huge_page}, ENOTSUP);
  ::munmap(mapped, support::huge_page);
}

TEST_CASE_TEMPLATE("arenas: another tracker's are refused", Case, support::uffd_case,
                   support::mprotect_case) {
  const memory heap(memory_kind::small_pages, 8);
  tracked<Case> first;
  tracked<Case> second;
  REQUIRE_FALSE(first.tracker.add_arena(heap.range(2, 2)));
  check_refused(second, heap.range(), EBUSY);
  first.arm();
  heap.write(3);
  CHECK(first.collect(heap) == page_numbers{3});
  REQUIRE_FALSE(first.tracker.remove_arena(heap.page(2)));
  CHECK_FALSE(second.tracker.add_arena(heap.range()));
}

TEST_CASE_TEMPLATE("arenas: a tracker that ends gives its memory free", Case, MECHANISMS) {
  const memory heap(memory_kind::small_pages, 8);
  for (int i = 0; i < 3; ++i) {
    tracked<Case> one;
    one.watch(heap);
    one.on.write(heap, 3);
    CHECK(one.collect(heap) == page_numbers{3});
  }
  heap.touch();
}

TEST_CASE_TEMPLATE("arenas: several, added in any order, give one ordered set", Case, MECHANISMS) {
  const memory heap(memory_kind::small_pages, 64);
  // Three arenas with gaps, of which the set knows nothing.
  std::vector<std::size_t> firsts{4, 20, 40};
  std::sort(firsts.begin(), firsts.end());
  do {
    tracked<Case> one;
    one.on.models(heap.range());
    for (const std::size_t first : firsts) REQUIRE_FALSE(one.tracker.add_arena(heap.range(first, 8)));
    one.arm();
    for (std::size_t page = 0; page < 64; page += 3) one.on.write(heap, page);
    std::uintptr_t before = 0;
    for (const address_range run : one.tracker.peek()) {
      CHECK(run.begin > before);
      before = run.end;
    }
    CHECK(one.collect(heap) == page_numbers{6, 9, 21, 24, 27, 42, 45});
    CHECK(one.collect(heap).empty());
  } while (std::next_permutation(firsts.begin(), firsts.end()));
}

TEST_CASE_TEMPLATE("arenas: adjacent ones are apart, and their runs merge", Case, MECHANISMS) {
  const memory heap(memory_kind::small_pages, 16);
  tracked<Case> one;
  one.on.models(heap.range());
  REQUIRE_FALSE(one.tracker.add_arena(heap.range(8, 8)));
  REQUIRE_FALSE(one.tracker.add_arena(heap.range(0, 8)));
  CHECK(one.tracker.tracks(heap.range()));
  CHECK(one.tracker.collect().run_count() == 1);
  one.on.write(heap, 7);
  one.on.write(heap, 8);
  CHECK(one.tracker.peek().run_count() == 1);
  CHECK(one.collect(heap) == page_numbers{7, 8});
  one.tracker.retain(heap.range(7, 2));
  CHECK(one.tracker.peek().run_count() == 1);
  REQUIRE_FALSE(one.tracker.remove_arena(heap.page(8)));
  one.on.write(heap, 7);
  one.on.write(heap, 8);
  CHECK(one.collect(heap) == page_numbers{7});
  CHECK_FALSE(one.tracker.tracks(heap.range()));
}

TEST_CASE_TEMPLATE("arenas: a removed one is out of every set, and writable", Case, MECHANISMS) {
  for (const memory_kind kind : support::every_memory_kind) {
    CAPTURE(name_of(kind));
    const memory heap(kind, 600);
    const memory other(kind, 8);
    tracked<Case> one;
    REQUIRE_FALSE(one.tracker.add_arena(other.range()));
    one.watch(heap);
    one.on.write(heap, 3);
    CHECK(one.tracker.remove_arena(heap.page(1)).code == ENOENT);
    CHECK(one.tracker.remove_arena(nullptr).code == ENOENT);
    REQUIRE_FALSE(one.tracker.remove_arena(heap.data()));
    heap.touch();
    CHECK(one.collect(heap).empty());
    CHECK(one.tracker.arena_count() == 1);
    CHECK(one.tracker.tracked_bytes() == other.bytes());
    // And back again: all of it.
    REQUIRE_FALSE(one.tracker.add_arena(heap.range()));
    CHECK(one.collect(heap) == consecutive(0, 600));
  }
}

TEST_CASE_TEMPLATE("arenas: a growing one keeps its writes, and what is new is in the next set", Case,
                   MECHANISMS) {
  for (const memory_kind kind : support::every_memory_kind) {
    CAPTURE(name_of(kind));
    memory heap(kind, 100, 1300);
    tracked<Case> one;
    one.watch(heap);
    one.on.models({heap.data(), 1300 * memory::page_size()});
    std::size_t pages = 100;
    for (const std::size_t size : {101, 128, 512, 513, 1300}) {
      CAPTURE(size);
      one.on.write(heap, 3);
      one.tracker.retain(heap.range(4, 1));
      heap.grow(size);
      REQUIRE_FALSE(one.tracker.resize_arena(heap.data(), heap.bytes()));
      CHECK(one.tracker.tracked_bytes() == heap.bytes());
      const page_numbers written = one.collect(heap);
      CHECK(written.contains(3));
      CHECK(written.contains(4));
      for (const std::size_t page : consecutive(pages, size - pages)) REQUIRE(written.contains(page));
      one.on.write(heap, size - 1);
      one.on.write(heap, 2);
      CHECK(one.collect(heap) == page_numbers{2, size - 1});
      pages = size;
    }
  }
}

TEST_CASE_TEMPLATE("arenas: growing and arming at once starts clean", Case, MECHANISMS) {
  memory heap(memory_kind::untouched, 8, 64);
  tracked<Case> one;
  one.watch(heap);
  one.on.models({heap.data(), 64 * memory::page_size()});
  heap.grow(64);
  REQUIRE_FALSE(one.tracker.resize_arena(heap.data(), heap.bytes()));
  one.arm();
  one.on.write(heap, 63);
  CHECK(one.collect(heap) == page_numbers{63});
}

TEST_CASE_TEMPLATE("arenas: a reserve is in no set, and is taken in without a system call", Case,
                   MECHANISMS) {
  for (const memory_kind kind : support::every_memory_kind) {
    CAPTURE(name_of(kind));
    const memory heap(kind, 600);
    const std::size_t page = memory::page_size();
    tracked<Case> one;
    one.on.models(heap.range());
    REQUIRE_FALSE(one.tracker.add_arena(heap.range(0, 100), 300 * page));
    CHECK(one.tracker.tracked_bytes() == 100 * page);
    CHECK(one.tracker.collect().bytes() == 100 * page);
    heap.write(200);  // nobody's business yet
    CHECK(one.collect(heap).empty());
    one.on.write(heap, 3);
    const auto calls = one.tracker.counters().system_calls;
    for (const std::size_t size : {164, 165, 400}) {
      REQUIRE_FALSE(one.tracker.resize_arena(heap.data(), size * page));
      CHECK(one.tracker.tracked_bytes() == size * page);
    }
    CHECK(one.tracker.counters().system_calls == calls);
    page_numbers expected = consecutive(100, 300);
    expected.insert(expected.begin(), 3);
    CHECK(one.collect(heap) == expected);
    one.on.write(heap, 399);
    CHECK(one.collect(heap) == page_numbers{399});
    // Beyond it, with a new one.
    REQUIRE_FALSE(one.tracker.resize_arena(heap.data(), 500 * page, 100 * page));
    CHECK(one.collect(heap).contains(499));
    REQUIRE_FALSE(one.tracker.resize_arena(heap.data(), 600 * page));
    one.arm();
    one.on.write(heap, 3);
    one.on.write(heap, 599);
    CHECK(one.collect(heap) == page_numbers{3, 599});
  }
}

TEST_CASE_TEMPLATE("arenas: a reserve is refused like an arena, and nobody else's", Case, MECHANISMS) {
  const memory heap(memory_kind::small_pages, 64);
  tracked<Case> one;
  one.on.models(heap.range());
  const std::size_t page = memory::page_size();
  CHECK(one.tracker.add_arena(heap.range(0, 8), page + 1).code == EINVAL);
  CHECK(one.tracker.add_arena(heap.range(0, 8), ~(page - 1)).code == EINVAL);
  REQUIRE_FALSE(one.tracker.add_arena(heap.range(0, 8), 8 * page));
  check_refused(one, heap.range(10, 4), EEXIST);
  check_refused(one, heap.range(15, 4), EEXIST);
  CHECK(one.tracker.add_arena(heap.range(20, 4), 60 * page).code == EACCES);  // the guard
  CHECK(one.tracker.resize_arena(heap.data(), 12 * page, page + 1).code == EINVAL);
  REQUIRE_FALSE(one.tracker.add_arena(heap.range(16, 8)));
  CHECK(one.tracker.resize_arena(heap.data(), 17 * page).code == EEXIST);
  REQUIRE_FALSE(one.tracker.resize_arena(heap.data(), 16 * page));
  // To shrink gives it up.
  REQUIRE_FALSE(one.tracker.resize_arena(heap.data(), 4 * page));
  CHECK_FALSE(one.tracker.add_arena(heap.range(4, 8)));
  REQUIRE_FALSE(one.tracker.remove_arena(heap.page(4)));
  REQUIRE_FALSE(one.tracker.remove_arena(heap.page(16)));
  REQUIRE_FALSE(one.tracker.remove_arena(heap.data()));
  // And to remove the arena gives up its reserve.
  REQUIRE_FALSE(one.tracker.add_arena(heap.range(0, 8), 8 * page));
  REQUIRE_FALSE(one.tracker.remove_arena(heap.data()));
  tracked<Case> other;
  CHECK_FALSE(other.tracker.add_arena(heap.range()));
}

TEST_CASE_TEMPLATE("arenas: a shrinking one forgets its tail, which may then be unmapped", Case, MECHANISMS) {
  for (const memory_kind kind : support::every_memory_kind) {
    CAPTURE(name_of(kind));
    const memory heap(kind, 600);
    tracked<Case> one;
    one.watch(heap);
    one.on.write(heap, 3);
    one.on.write(heap, 599);
    one.tracker.always_dirty(heap.range(598, 1));
    REQUIRE_FALSE(one.tracker.resize_arena(heap.data(), 300 * memory::page_size()));
    CHECK(one.tracker.tracked_bytes() == 300 * memory::page_size());
    heap.write(400);
    REQUIRE(::munmap(heap.page(300), 300 * memory::page_size()) == 0);
    const page_numbers written = one.collect(heap);
    CHECK(written.contains(3));
    CHECK(written.back() < 300);
    one.on.write(heap, 299);
    CHECK(one.collect(heap) == page_numbers{299});
  }
}

TEST_CASE_TEMPLATE("arenas: what cannot be resized stays as it was", Case, MECHANISMS) {
  const memory heap(memory_kind::small_pages, 64);
  tracked<Case> one;
  one.on.models(heap.range());
  const std::size_t page = memory::page_size();
  REQUIRE_FALSE(one.tracker.add_arena(heap.range(0, 8)));
  REQUIRE_FALSE(one.tracker.add_arena(heap.range(16, 8)));
  one.arm();
  const auto resized = [&](std::size_t bytes) { return one.tracker.resize_arena(heap.data(), bytes).code; };
  CHECK(resized(0) == EINVAL);
  CHECK(resized(page + 1) == EINVAL);
  CHECK(resized(17 * page) == EEXIST);
  CHECK(one.tracker.resize_arena(heap.page(1), page).code == ENOENT);
  REQUIRE(::mprotect(heap.page(10), page, PROT_READ) == 0);
  CHECK(resized(12 * page) == EACCES);
  REQUIRE(::munmap(heap.page(10), page) == 0);
  CHECK(resized(12 * page) == ENOMEM);
  CHECK(resized(8 * page) == 0);  // as it is
  CHECK(one.tracker.tracked_bytes() == 16 * page);
  one.on.write(heap, 3);
  one.on.write(heap, 9);
  CHECK(one.collect(heap) == page_numbers{3});
  CHECK(resized(10 * page) == 0);
}

TEST_CASE_TEMPLATE("arenas: a moved tracker goes on", Case, MECHANISMS) {
  const memory heap(memory_kind::small_pages, 8);
  tracked<Case> one;
  tracked<Case> other;
  one.watch(heap);
  one.on.write(heap, 3);
  gcbarrier::write_tracker moved(std::move(one.tracker));
  one.on.write(heap, 4);
  CHECK(heap.pages_in(moved.collect()) == page_numbers{3, 4});
  other.tracker = std::move(moved);
  one.on.write(heap, 5);
  CHECK(other.collect(heap) == page_numbers{5});
}

TEST_CASE("arenas: of a page each, there is room for a run each") {
  constexpr std::size_t count = 300;
  const std::size_t page = memory::page_size();
  // Behind each of the library's tables lies a page that nobody may touch.
  support::faked_calls fake([page](long number,
                                   support::faked_calls::argument_list a) -> std::optional<long> {
    if (number != SYS_mmap) return std::nullopt;
    const auto bytes = static_cast<std::size_t>(a[1]);
    const long at =
        support::faked_calls::real(number, {a[0], static_cast<long>(bytes + page), a[2], a[3], a[4], a[5]});
    REQUIRE(::mprotect(reinterpret_cast<char*>(at) + bytes, page, PROT_NONE) == 0);
    return at;
  });
  const memory heap(memory_kind::small_pages, 2 * count);
  auto tracker = gcbarrier::write_tracker::open(
      {.mechanism = gcbarrier::mechanism_kind::uffd_async, .adopted = std::nullopt, .calls = fake.calls()});
  REQUIRE(tracker);
  for (std::size_t i = 0; i < count; ++i) REQUIRE_FALSE(tracker->add_arena(heap.range(2 * i, 1)));
  CHECK(tracker->collect().run_count() == count);
  heap.touch();
  CHECK(tracker->collect().run_count() == count);
}

TEST_CASE_TEMPLATE("arenas: as many as 200", Case, MECHANISMS) {
  tracked<Case> one;
  std::vector<std::unique_ptr<memory>> heaps;
  for (int i = 0; i < 200; ++i) {
    heaps.push_back(std::make_unique<memory>(memory_kind::untouched, 4));
    REQUIRE_FALSE(one.tracker.add_arena(heaps.back()->range()));
  }
  CHECK(one.tracker.collect().bytes() == 200 * 4 * memory::page_size());
  one.on.models(heaps[77]->range());
  one.on.write(*heaps[77], 2);
  CHECK(one.collect(*heaps[77]) == page_numbers{2});
}
