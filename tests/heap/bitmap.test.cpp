#include <doctest/doctest.h>
#include <heap/bitmap.hpp>

#include <cstdint>
#include <random>
#include <set>
#include <vector>

namespace {

constexpr std::uintptr_t base = 0x7000'0000'0000;
constexpr std::size_t granules = 1000;

std::uintptr_t address_of(std::size_t granule) {
  return base + granule * gcheap::object_alignment;
}

TEST_CASE("bitmap: each bit of a range is found once, in order, wherever the range begins and ends") {
  auto marks = gcheap::bitmap::make({base, address_of(granules)});
  REQUIRE(marks);
  std::mt19937 random(1);
  std::set<std::uintptr_t> model;
  for (std::size_t i = 0; i < granules; ++i) {
    if (random() % 3 != 0) continue;
    model.insert(address_of(i));
    CHECK(marks->claim_shared(reinterpret_cast<void*>(address_of(i))));
  }
  for (int round = 0; round < 1000; ++round) {
    const std::size_t first = random() % granules;
    const std::size_t last = first + random() % (granules + 1 - first);
    std::vector<std::uintptr_t> found;
    marks->each_shared({address_of(first), address_of(last)},
                       [&](std::uintptr_t at) { found.push_back(at); });
    const std::vector<std::uintptr_t> expected(model.lower_bound(address_of(first)),
                                               model.lower_bound(address_of(last)));
    REQUIRE(found == expected);
  }
}

}  // namespace
