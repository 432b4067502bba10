// problem() says why an answer is wide, for as long as it is; and what an odd order of calls must not lose.
#include <doctest/doctest.h>

#include <cerrno>
#include <cstdint>
#include <gcbarrier/kernel/uapi.hpp>
#include <optional>
#include <support/faked_calls.hpp>

#include "armed_tracker.hpp"

namespace uapi = gcbarrier::kernel::uapi;
using gcbarrier::mechanism_kind;
using support::faked_calls;
using support::memory;
using support::memory_kind;
using support::page_numbers;

namespace {

// A kernel that refuses one request, or one protection, as long as it is told to.
struct refusing_kernel {
  unsigned long request = 0;  // an ioctl
  std::optional<long> protection = std::nullopt;
  int code = 0;  // nothing is refused
  faked_calls fake{[this](long number, faked_calls::argument_list a) -> std::optional<long> {
    const bool meant = number == SYS_ioctl ? static_cast<unsigned long>(a[1]) == request
                                           : number == SYS_mprotect && a[2] == protection;
    return meant && code != 0 ? std::optional<long>(-code) : std::nullopt;
  }};
};

// The whole arena, so many pages of the heap, with a problem; then it is exact again.
void wide_once(armed_tracker& one, int code, std::size_t pages = 32) {
  CHECK(one.pages(one.tracker.collect()) == support::consecutive(0, pages));
  CHECK(one.tracker.problem().code == code);
  one.heap.write(4);
  for (std::size_t page = pages; page < one.heap.pages(); ++page) one.heap.write(page);
  CHECK(one.pages(one.tracker.collect()) == page_numbers{4});
  CHECK_FALSE(one.tracker.problem());
}

}  // namespace

TEST_CASE("problem: expect_writes() failed") {
  refusing_kernel kernel{.request = uapi::ioctl_writeprotect};
  armed_tracker one(mechanism_kind::uffd_async, kernel.fake.calls());
  kernel.code = EFAULT;
  CHECK(one.tracker.expect_writes(one.heap.range(3, 4)).code == EFAULT);
  kernel.code = 0;
  wide_once(one, EFAULT);
}

TEST_CASE("problem: arm() failed") {
  refusing_kernel kernel{.request = uapi::ioctl_pagemap_scan};
  armed_tracker one(mechanism_kind::uffd_async, kernel.fake.calls());
  kernel.code = EFAULT;
  one.tracker.arm();
  CHECK(one.tracker.problem().code == EFAULT);
  kernel.code = 0;
  wide_once(one, EFAULT);
}

TEST_CASE("problem: an arena could not grow, and keeps its size") {
  refusing_kernel kernel{.request = uapi::ioctl_register};
  armed_tracker one(mechanism_kind::uffd_async, kernel.fake.calls());
  const std::size_t before = one.tracker.tracked_bytes();
  one.heap.grow(40);
  kernel.code = ENOMEM;
  CHECK(one.tracker.resize_arena(one.heap.data(), one.heap.bytes()).code == ENOMEM);
  kernel.code = 0;
  CHECK(one.tracker.tracked_bytes() == before);
  wide_once(one, ENOMEM);
}

TEST_CASE("problem: an arena could not shrink, and is shorter all the same") {
  refusing_kernel kernel{.request = uapi::ioctl_unregister};
  armed_tracker one(mechanism_kind::uffd_async, kernel.fake.calls());
  kernel.code = ENOMEM;
  CHECK(one.tracker.resize_arena(one.heap.data(), 16 * memory::page_size()).code == ENOMEM);
  kernel.code = 0;
  wide_once(one, ENOMEM, 16);
}

TEST_CASE("problem: under mprotect an arena could not grow, half way") {
  refusing_kernel kernel{.protection = PROT_READ | PROT_WRITE};
  armed_tracker one(mechanism_kind::mprotect, kernel.fake.calls());
  one.heap.grow(40);
  kernel.code = ENOMEM;
  CHECK(one.tracker.resize_arena(one.heap.data(), one.heap.bytes()).code == ENOMEM);
  // As far as mprotect came.
  REQUIRE(::mprotect(one.heap.data(), 8 * memory::page_size(), PROT_READ | PROT_WRITE) == 0);
  one.heap.write(5);
  kernel.code = 0;
  CHECK(one.pages(one.tracker.collect()) == support::consecutive(0, 32));
  CHECK(one.tracker.problem().code == ENOMEM);
}

TEST_CASE("problem: given for each part, until every part has been collected") {
  for (const mechanism_kind kind : every_real_mechanism) {
    CAPTURE(name_of(kind));
    armed_tracker one(kind);
    REQUIRE(::mmap(one.heap.page(20), memory::page_size(), PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == one.heap.page(20));
    CHECK(one.pages(one.tracker.collect(one.heap.range(16, 16))) == support::consecutive(16, 16));
    CHECK(one.tracker.problem());
    CHECK(one.pages(one.tracker.peek(one.heap.range(0, 16))) == support::consecutive(0, 16));
    CHECK(one.tracker.problem());
    CHECK(one.pages(one.tracker.collect(one.heap.range(0, 16))) == support::consecutive(0, 16));
    CHECK(one.tracker.problem());
    one.heap.write(18);
    CHECK(one.pages(one.tracker.collect(one.heap.range(16, 16))) == page_numbers{18});
    CHECK_FALSE(one.tracker.problem());
  }
}

TEST_CASE("problem: one arena is lost, the others stay exact") {
  for (const mechanism_kind kind : every_real_mechanism) {
    CAPTURE(name_of(kind));
    armed_tracker one(kind);
    const memory other(memory_kind::small_pages, 8);
    REQUIRE_FALSE(one.tracker.add_arena(other.range()));
    one.tracker.arm();
    REQUIRE(::mmap(one.heap.page(20), memory::page_size(), PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == one.heap.page(20));
    other.write(2);
    const auto set = one.tracker.collect();
    CHECK(one.pages(set) == one.whole());
    CHECK(other.pages_in(set) == page_numbers{2});
    CHECK(one.tracker.problem());
  }
}

TEST_CASE("order of calls: what is retained after a peek() survives another peek() and arm()") {
  for (const mechanism_kind kind : every_real_mechanism) {
    CAPTURE(name_of(kind));
    armed_tracker one(kind);
    one.heap.write(3);
    CHECK(one.pages(one.tracker.peek()) == page_numbers{3});
    one.tracker.retain(one.heap.range(9, 1));
    CHECK(one.pages(one.tracker.peek()) == page_numbers{3, 9});
    CHECK(one.pages(one.tracker.peek()) == page_numbers{3, 9});
    one.tracker.arm();
    CHECK(one.pages(one.tracker.peek()) == page_numbers{9});
    one.tracker.arm();
    CHECK(one.tracker.peek().empty());
    // Also with a collection of some other part between.
    one.tracker.retain(one.heap.range(9, 1));
    CHECK(one.tracker.collect(one.heap.range(16, 4)).empty());
    one.tracker.arm();
    CHECK(one.pages(one.tracker.collect()) == page_numbers{9});
    CHECK(one.tracker.collect().empty());
    // And with another look after it.
    CHECK(one.tracker.peek().empty());
    one.tracker.retain(one.heap.range(9, 1));
    CHECK(one.tracker.collect(one.heap.range(16, 4)).empty());
    CHECK(one.pages(one.tracker.peek()) == page_numbers{9});
    one.tracker.arm();
    CHECK(one.pages(one.tracker.collect()) == page_numbers{9});
  }
}

TEST_CASE("order of calls: collect() ends what was retained after a peek()") {
  armed_tracker one(mechanism_kind::uffd_async);
  CHECK(one.tracker.peek().empty());
  one.tracker.retain(one.heap.range(9, 1));
  CHECK(one.pages(one.tracker.collect()) == page_numbers{9});
  CHECK(one.tracker.collect().empty());
}

TEST_CASE("resize: a size that runs past the end of the address space is refused") {
  for (const mechanism_kind kind : every_real_mechanism) {
    CAPTURE(name_of(kind));
    armed_tracker one(kind);
    const std::size_t all = ~std::size_t{0} & ~(memory::page_size() - 1);
    CHECK(one.tracker.resize_arena(one.heap.data(), all).code == EINVAL);
    CHECK(
        one.tracker.resize_arena(one.heap.data(), all - one.heap.range().begin + memory::page_size()).code ==
        EINVAL);
    CHECK(one.is_exact());
  }
}
