// What the kernel refuses, through the raw call where the typed wrapper cannot even ask, and what the wrapper
// refuses by itself.
#include <doctest/doctest.h>
#include <sys/mman.h>

#include <cerrno>
#include <cstring>
#include <gcbarrier/kernel/page_scan.hpp>
#include <string_view>
#include <support/faked_calls.hpp>
#include <support/memory.hpp>
#include <support/page_watch.hpp>

namespace kernel = gcbarrier::kernel;
namespace uapi = gcbarrier::kernel::uapi;
using support::memory;
using support::memory_kind;
using support::page_watch;

namespace {

// A registered, written heap and an argument that the kernel accepts, to be spoilt field by field.
struct raw_scan {
  memory heap{memory_kind::small_pages, 4};
  page_watch watch{heap};
  uapi::page_region regions[4]{};
  uapi::pm_scan_arg argument{};

  raw_scan() {
    heap.touch();
    argument.size = sizeof argument;
    argument.start = heap.range().begin;
    argument.end = heap.range().end;
    argument.vec = reinterpret_cast<std::uintptr_t>(regions);
    argument.vec_len = 4;
    argument.category_mask = uapi::page_is_written;
    argument.return_mask = uapi::page_is_written;
  }
  long call() { return kernel::system_calls{}.ioctl(watch.pagemap(), uapi::ioctl_pagemap_scan, &argument); }
};

}  // namespace

TEST_CASE("page_scan: the raw call that the refusals below are variations of") {
  raw_scan scan;
  CHECK(scan.call() == 1);
  CHECK(scan.argument.walk_end == scan.heap.range().end);
}

TEST_CASE("page_scan: the size must be exact") {
  raw_scan scan;
  for (const std::uint64_t size : {0, 88, 95, 97, 104}) {
    CAPTURE(size);
    scan.argument.size = size;
    CHECK(scan.call() == -EINVAL);
  }
}

TEST_CASE("page_scan: unknown flags are refused") {
  for (int bit = 2; bit < 64; ++bit) {
    raw_scan scan;
    scan.argument.flags = std::uint64_t{1} << bit;
    CHECK(scan.call() == -EINVAL);
  }
}

TEST_CASE("page_scan: unknown categories are refused in every mask") {
  // Bit 8 (guard regions) came with 6.15 and will not be the last.
  const std::uint64_t unknown = std::uint64_t{1} << 63;
  for (const auto mask : {&uapi::pm_scan_arg::category_inverted, &uapi::pm_scan_arg::category_mask,
                          &uapi::pm_scan_arg::category_anyof_mask, &uapi::pm_scan_arg::return_mask}) {
    raw_scan scan;
    scan.argument.*mask |= unknown;
    CHECK(scan.call() == -EINVAL);
  }
}

TEST_CASE("page_scan: the start must be aligned") {
  raw_scan scan;
  scan.argument.start += 1;
  CHECK(scan.call() == -EINVAL);
  auto request = scan.watch.ask({scan.heap.range().begin + 8, scan.heap.range().end});
  CHECK(scan.watch.scan_error(request).code == EINVAL);
}

TEST_CASE("page_scan: a range that ends before it begins is refused") {
  raw_scan scan;
  std::swap(scan.argument.start, scan.argument.end);
  CHECK(scan.call() == -EFAULT);
}

TEST_CASE("page_scan: a range outside of user memory is refused") {
  raw_scan scan;
  scan.argument.end = std::uint64_t{1} << 63;
  CHECK(scan.call() == -EFAULT);
}

TEST_CASE("page_scan: room without a vector is refused") {
  raw_scan scan;
  scan.argument.vec = 0;
  CHECK(scan.call() == -EINVAL);
}

TEST_CASE("page_scan: a vector or an argument that cannot be written is refused") {
  raw_scan scan;
  const memory read_only(memory_kind::small_pages, 1);
  REQUIRE(::mprotect(read_only.data(), read_only.bytes(), PROT_READ) == 0);
  scan.argument.vec = reinterpret_cast<std::uintptr_t>(read_only.data());
  CHECK(scan.call() == -EFAULT);
  CHECK(kernel::system_calls{}.ioctl(scan.watch.pagemap(), uapi::ioctl_pagemap_scan, nullptr) == -EFAULT);
}

TEST_CASE("page_scan: other descriptors") {
  raw_scan scan;
  const auto refused = [&](int descriptor) {
    const auto answer = kernel::scan_pages({}, descriptor, scan.watch.ask(scan.heap.range()));
    return answer ? 0 : answer.error().code;
  };
  CHECK(refused(-1) == EBADF);
  const kernel::descriptor zero({}, static_cast<int>(kernel::system_calls{}.open("/dev/zero", O_RDONLY)));
  CHECK(refused(zero.number()) == ENOTTY);
}

TEST_CASE("page_scan: an error says what failed, on what, and what it means") {
  const memory heap(memory_kind::small_pages, 4);
  page_watch watch;
  const gcbarrier::error why = watch.scan_error(watch.ask(heap.range()));
  CHECK(std::string_view(why.operation) == "PAGEMAP_SCAN");
  CHECK(why.code == EPERM);
  CHECK(why.where == heap.range());
  CHECK(std::string_view(why.advice).find("not, or no longer, tracked") != std::string_view::npos);
}

// vec_len 0 with WP_MATCHING ignores max_pages and the masks, and crashed kernels before 6.17: the wrapper
// must not even make the call.
TEST_CASE("page_scan: the wrapper never protects without a vector") {
  int calls = 0;
  support::faked_calls fake([&](long, support::faked_calls::argument_list) -> std::optional<long> {
    ++calls;
    return 0;
  });
  kernel::scan_request request;
  request.range = {0x1000, 0x2000};
  request.protect = true;
  const auto answer = kernel::scan_pages(fake.calls(), 1, request);
  REQUIRE_FALSE(answer);
  CHECK(answer.error().code == EINVAL);
  CHECK(calls == 0);
}

TEST_CASE("page_scan: more regions than there was room for is an error, not an overrun") {
  support::faked_calls fake(
      [&](long, support::faked_calls::argument_list) -> std::optional<long> { return 3; });
  uapi::page_region room[2];
  kernel::scan_request request;
  request.range = {0x1000, 0x2000};
  request.regions = room;
  const auto answer = kernel::scan_pages(fake.calls(), 1, request);
  REQUIRE_FALSE(answer);
  CHECK(answer.error().code == EPROTO);
}

TEST_CASE("page_scan: each error of the kernel's comes through") {
  for (const int code : {EINVAL, EFAULT, EPERM, EBADF, ENOTTY, ENOMEM, EINTR}) {
    support::faked_calls fake(
        [&](long, support::faked_calls::argument_list) -> std::optional<long> { return -code; });
    const auto answer = kernel::scan_pages(fake.calls(), 1, {});
    REQUIRE_FALSE(answer);
    CHECK(answer.error().code == code);
  }
}
