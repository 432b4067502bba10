// What the oracle has found, each as a test of its own.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <gcbarrier/gcbarrier.hpp>

#include "support/child.hpp"
#include "support/memory.hpp"

using gcbarrier::mechanism_kind;
using gcbarrier::write_tracker;
using support::memory;
using support::memory_kind;

TEST_CASE(
    "expect_writes: a forked child may let the kernel write, though the parent's protections came along") {
  for (const mechanism_kind kind : {mechanism_kind::uffd_async, mechanism_kind::mprotect}) {
    const memory arena(memory_kind::small_pages, 16);
    auto tracker = write_tracker::open({.mechanism = kind});
    REQUIRE(tracker);
    REQUIRE_FALSE(tracker->add_arena(arena.range()));
    tracker->arm();
    const auto outcome = support::run_in_child([&] {
      if (tracker->expect_writes(arena.range(3, 1))) return 1;
      const int zero = ::open("/dev/zero", O_RDONLY | O_CLOEXEC);
      if (::read(zero, arena.page(3), 8) != 8) return 2;
      return tracker->collect().bytes() == arena.bytes() ? 0 : 3;
    });
    CHECK(outcome == support::exited(0));
  }
}
