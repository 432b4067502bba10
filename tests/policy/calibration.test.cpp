#include <doctest/doctest.h>

#include <cerrno>
#include <cstdint>
#include <fstream>
#include <gcbarrier/mechanism/mprotect_segv.hpp>
#include <gcbarrier/mechanism/uffd_async.hpp>
#include <gcbarrier/policy/cost_policy.hpp>
#include <optional>

#include "support/faked_calls.hpp"

using gcbarrier::calibrate;
using gcbarrier::cost_model;
using gcbarrier::cost_policy;
using gcbarrier::mprotect_segv;
using gcbarrier::uffd_async;

namespace {

// Pages of address space.
std::size_t mapped() {
  std::size_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages;
  REQUIRE(pages > 0);
  return pages;
}

template <class Mechanism>
void gives_plausible_costs() {
  auto mechanism = Mechanism::open({});
  REQUIRE(mechanism);
  (void)calibrate(*mechanism);  // lets the allocator settle
  const std::size_t before = mapped();
  const auto costs = calibrate(*mechanism);
  CHECK(mapped() == before);
  REQUIRE(costs);
  // No time is checked: only that they are of a possible order, which no unit mixed up would be.
  CHECK(*costs == costs->sane());
  CHECK(costs->fault > 50'000);
  CHECK(costs->fault > costs->pass_page);
  CHECK(costs->search_page > 5'000);
  CHECK(costs->patience() >= 1);
}

}  // namespace

TEST_CASE("calibration: uffd_async") {
  gives_plausible_costs<uffd_async>();
}
TEST_CASE("calibration: mprotect") {
  gives_plausible_costs<mprotect_segv>();
}

TEST_CASE("calibration: the collector's own search is what is timed") {
  auto mechanism = uffd_async::open({});
  REQUIRE(mechanism);
  std::size_t bytes = 0;
  auto search = [&](gcbarrier::address_range range) { bytes += range.bytes(); };
  const auto costs = calibrate(*mechanism, {}, search);
  REQUIRE(costs);
  CHECK(bytes >= 3 * 256 * gcbarrier::kernel::page_size());
}

TEST_CASE("calibration: whatever call fails, the policy has the defaults and leaves nothing behind") {
  const long failing[] = {SYS_mmap, SYS_ioctl, SYS_msync};
  for (const long number : failing) {
    CAPTURE(number);
    bool fails = false;
    support::faked_calls kernel([&](long call, const auto&) -> std::optional<long> {
      if (fails && call == number) return -ENOMEM;
      return std::nullopt;
    });
    auto mechanism = uffd_async::open(kernel.calls());
    REQUIRE(mechanism);
    const std::size_t before = mapped();
    fails = true;
    CHECK_FALSE(calibrate(*mechanism, kernel.calls()));
    CHECK(cost_policy::fit(*mechanism, kernel.calls()).costs() == cost_model{}.sane());
    fails = false;
    CHECK(mapped() == before);
  }
}
