// A steady cycle allocates nothing and maps nothing.
#include <doctest/doctest.h>

#include <support/faked_calls.hpp>

#include "allocations.hpp"
#include "tracked.hpp"

using support::faked_calls;
using support::memory;
using support::memory_kind;

namespace {

// A case on a kernel that counts the calls that get or give back memory.
template <class Case>
struct counted {
  Case on;
  long mappings = 0;
  faked_calls counting{[this](long number, faked_calls::argument_list a) -> std::optional<long> {
    const bool maps = number == SYS_mmap || number == SYS_munmap || number == SYS_mremap || number == SYS_brk;
    if (maps) ++mappings;
    return on.calls().call(number, a[0], a[1], a[2], a[3], a[4], a[5]);
  }};
};

}  // namespace

TEST_CASE("steady: allocations are counted at all") {
  const long before = allocations();
  delete new volatile int(1);
  CHECK(allocations() > before);
}

TEST_CASE_TEMPLATE("steady: cycles of every call allocate nothing and map nothing", Case, MECHANISMS) {
  for (const memory_kind kind : support::every_memory_kind) {
    CAPTURE(name_of(kind));
    const memory heap(kind, 600);
    counted<Case> kernel;
    auto tracker = gcbarrier::write_tracker::open(
        {.mechanism = Case::mechanism::kind(), .adopted = std::nullopt, .calls = kernel.counting.calls()});
    REQUIRE(tracker);
    REQUIRE_FALSE(tracker->add_arena(heap.range(0, 300)));
    REQUIRE_FALSE(tracker->add_arena(heap.range(400, 200)));
    CHECK(kernel.mappings > 0);
    const long mappings = kernel.mappings;
    long in_tracker = 0;
    std::size_t bytes = 0;
    for (int cycle = 0; cycle < 20; ++cycle) {
      for (auto page = static_cast<std::size_t>(cycle % 2); page < 300; page += 2) heap.write(page);
      const long before = allocations();
      bytes += tracker->peek().bytes();
      tracker->retain(heap.range(3, 5));
      tracker->always_dirty(heap.range(450, 1), cycle % 3 == 0);
      const bool refused = static_cast<bool>(tracker->expect_writes(heap.range(10, 20)));
      tracker->arm();
      bytes += tracker->collect().bytes();
      in_tracker += allocations() - before;
      REQUIRE_FALSE(refused);
      REQUIRE_FALSE(tracker->problem());
    }
    CHECK(bytes > 0);
    CHECK(in_tracker == 0);
    CHECK(kernel.mappings == mappings);
  }
}
