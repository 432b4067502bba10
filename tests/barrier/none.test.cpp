#include <doctest/doctest.h>
#include <gcbarrier/barrier/none.hpp>

#include <vector>

namespace {

using gcbarrier::address_range;

TEST_CASE("without a barrier every arena is always written, in order and merged") {
  gcbarrier::no_barrier none;
  CHECK(none.written().empty());
  REQUIRE_FALSE(none.add_arena({0x8000, 0xa000}));
  REQUIRE_FALSE(none.add_arena({0x1000, 0x2000}));
  REQUIRE_FALSE(none.add_arena({0x4000, 0x8000}));
  none.rearm();
  const gcbarrier::dirty_set set = none.written();
  CHECK(std::vector<address_range>(set.begin(), set.end()) ==
        std::vector<address_range>{{0x1000, 0x2000}, {0x4000, 0xa000}});
}

TEST_CASE("without a barrier a store is a store") {
  gcbarrier::no_barrier none;
  int value = 0;
  void* slot = nullptr;
  none.store(&slot, &value);
  CHECK(slot == &value);
}

}  // namespace
