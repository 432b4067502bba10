// retain() from several marker threads at once, while mutators write.
#include <doctest/doctest.h>

#include <atomic>
#include <barrier>
#include <gcbarrier/write_tracker.hpp>
#include <random>
#include <set>
#include <support/memory.hpp>
#include <thread>
#include <vector>

using gcbarrier::mechanism_kind;
using support::memory;
using support::page_numbers;

namespace {

page_numbers in_order(const std::set<std::size_t>& pages) {
  page_numbers numbers;
  numbers.assign(pages.begin(), pages.end());
  return numbers;
}

// Markers retain pages of their own choice, a writer writes, then one set has it all.
page_numbers missing(mechanism_kind kind, std::size_t markers, int cycles) {
  constexpr std::size_t pages = 1000;
  const memory heap(support::memory_kind::small_pages, pages);
  auto tracker = gcbarrier::write_tracker::open({.mechanism = kind});
  REQUIRE(tracker);
  REQUIRE_FALSE(tracker->add_arena(heap.range()));
  tracker->arm();
  page_numbers lost;
  for (int cycle = 0; cycle < cycles; ++cycle) {
    std::vector<std::set<std::size_t>> chosen(markers + 1);
    std::barrier start(static_cast<std::ptrdiff_t>(markers) + 1);
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < markers; ++i) {
      threads.emplace_back([&, i] {
        std::mt19937_64 random(i * 1000 + static_cast<std::size_t>(cycle));
        start.arrive_and_wait();
        for (int n = 0; n < 20; ++n) {
          // Neighbours, so that markers meet in the same words.
          const std::size_t first = random() % 60 + random() % 2 * 900;
          tracker->retain(heap.range(first, 1 + n % 2));
          chosen[i].insert(first);
          if (n % 2 == 1) chosen[i].insert(first + 1);
        }
      });
    }
    start.arrive_and_wait();
    heap.write(500);
    chosen[markers].insert(500);
    for (std::thread& thread : threads) thread.join();
    std::set<std::size_t> expected;
    for (const auto& one : chosen) expected.insert(one.begin(), one.end());
    const page_numbers found = heap.pages_in(tracker->collect());
    CHECK(found == in_order(expected));
    for (const std::size_t page : found) expected.erase(page);
    lost.insert(lost.end(), expected.begin(), expected.end());
  }
  CHECK(tracker->collect().empty());
  return lost;
}

}  // namespace

TEST_CASE("retain: from several threads at once, exactly what was retained is in the next set") {
  for (const mechanism_kind kind : {mechanism_kind::uffd_async, mechanism_kind::mprotect}) {
    CAPTURE(name_of(kind));
    for (const std::size_t markers : {2, 4, 16}) CHECK(missing(kind, markers, 60).empty());
  }
}
