#include <doctest/doctest.h>

#include <gcbarrier/dirty_set.hpp>
#include <random>
#include <vector>

using gcbarrier::address_range;
using gcbarrier::dirty_set;

namespace {

constexpr std::uintptr_t page = 4096;

// Ordered, disjoint runs of up to 40 pages with gaps between them.
std::vector<address_range> random_runs(std::mt19937_64& random, std::size_t count) {
  std::vector<address_range> runs;
  std::uintptr_t at = page * (1 + random() % 8);
  for (std::size_t i = 0; i < count; ++i) {
    const std::uintptr_t end = at + page * (1 + random() % 40);
    runs.emplace_back(at, end);
    at = end + page * (1 + random() % 9);
  }
  return runs;
}

std::size_t bytes_of(const std::vector<address_range>& runs) {
  std::size_t sum = 0;
  for (const address_range run : runs) sum += run.bytes();
  return sum;
}

}  // namespace

TEST_CASE("dirty_set: an empty set has nothing in it") {
  const dirty_set none;
  CHECK(none.empty());
  CHECK(none.begin() == none.end());
  CHECK(none.bytes() == 0);
  CHECK_FALSE(none.contains(nullptr));
  CHECK(none.share(0, 3, page).empty());
}

TEST_CASE("dirty_set: contains and touches agree with the runs") {
  std::mt19937_64 random(1);
  for (int round = 0; round < 20; ++round) {
    const std::vector<address_range> runs = random_runs(random, random() % 12);
    const dirty_set set{runs};
    const std::uintptr_t limit = runs.empty() ? 8 * page : runs.back().end + 2 * page;
    for (std::uintptr_t at = 0; at < limit; at += page / 2) {
      bool in_a_run = false;
      for (const address_range run : runs) in_a_run |= run.contains(at);
      CHECK(set.contains(reinterpret_cast<const void*>(at)) == in_a_run);
      bool touched = false;
      for (const address_range run : runs) touched |= run.overlaps({at, at + 3 * page});
      CHECK(set.touches({at, at + 3 * page}) == touched);
    }
  }
}

TEST_CASE("dirty_set: shares cover the set once, cut at granules, and are even") {
  std::mt19937_64 random(2);
  for (int round = 0; round < 200; ++round) {
    const std::vector<address_range> runs = random_runs(random, random() % 30);
    const dirty_set set{runs};
    CHECK(set.bytes() == bytes_of(runs));
    const std::size_t count = 1 + random() % 9;
    std::vector<address_range> joined;
    for (std::size_t i = 0; i < count; ++i) {
      const dirty_set share = set.share(i, count, page);
      CHECK(share.bytes() <= set.bytes() / count + 2 * page);
      for (const address_range run : share) {
        CHECK_FALSE(run.empty());
        CHECK(run.aligned_to(page));
        if (!joined.empty() && joined.back().end == run.begin) {
          joined.back().end = run.end;
        } else {
          joined.push_back(run);
        }
      }
    }
    CHECK(joined == runs);
  }
}

TEST_CASE("dirty_set: one run is cut among many markers") {
  const std::vector<address_range> runs{{16 * page, 1016 * page}};
  const dirty_set set{runs};
  for (std::size_t i = 0; i < 10; ++i) CHECK(set.share(i, 10, page).bytes() == 100 * page);
}

TEST_CASE("dirty_set: a share of a share") {
  std::mt19937_64 random(3);
  const std::vector<address_range> runs = random_runs(random, 20);
  const dirty_set half = dirty_set{runs}.share(1, 2, page);
  std::size_t sum = 0;
  for (std::size_t i = 0; i < 4; ++i) sum += half.share(i, 4, page).bytes();
  CHECK(sum == half.bytes());
  // What the share leaves out is not in any part of it.
  CHECK(half.between(0, ~std::uintptr_t{0}).bytes() == half.bytes());
  CHECK_FALSE(half.contains(reinterpret_cast<const void*>(runs.front().begin)));
}
