#include <doctest/doctest.h>

#include <gcbarrier/address_range.hpp>

using gcbarrier::address_range;

TEST_CASE("address_range: intersection, overlap and containment agree") {
  const address_range whole{0x1000, 0x5000};
  for (std::uintptr_t begin = 0; begin <= 0x6000; begin += 0x800) {
    for (std::uintptr_t end = begin; end <= 0x6000; end += 0x800) {
      const address_range part{begin, end};
      const address_range common = whole.intersection(part);
      CHECK((common.empty() || (whole.contains(common) && part.contains(common))));
      if (!part.empty()) CHECK(common.empty() == !whole.overlaps(part));
      for (std::uintptr_t at = 0; at < 0x6000; at += 0x400) {
        CHECK(common.contains(at) == (whole.contains(at) && part.contains(at)));
      }
    }
  }
}

TEST_CASE("address_range: widening covers whole granules and nothing more") {
  CHECK(address_range{0x1001, 0x1002}.widened_to(0x1000) == address_range{0x1000, 0x2000});
  CHECK(address_range{0x1000, 0x2000}.widened_to(0x1000) == address_range{0x1000, 0x2000});
  CHECK(address_range{0xfff, 0x1001}.widened_to(0x1000) == address_range{std::uintptr_t{0}, 0x2000});
  CHECK(address_range{0x1000, 0x3000}.aligned_to(0x1000));
  CHECK_FALSE(address_range{0x1000, 0x3001}.aligned_to(0x1000));
  CHECK_FALSE(address_range{0x1010, 0x3000}.aligned_to(0x1000));
}
