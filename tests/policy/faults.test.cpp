// A tracker's whole life with the policy, each system call of it failing in every way.
#include <doctest/doctest.h>

#include <gcbarrier/mechanism/mprotect_segv.hpp>
#include <gcbarrier/mechanism/uffd_async.hpp>
#include <gcbarrier/policy/cost_policy.hpp>

#include "support/dropping.hpp"
#include "tracker_faults/sweep.hpp"

using gcbarrier::cost_policy;
using gcbarrier::mprotect_segv;
using gcbarrier::uffd_async;

namespace {

template <class Mechanism>
void keeps_its_promises() {
  for (const sweep_outcome& outcome :
       {sweep_single_faults<Mechanism, cost_policy>(real_kernel, false),
        sweep_random_faults<Mechanism, cost_policy>(real_kernel, false, 150, 0.05)}) {
    CHECK(outcome.lives > 100);
    CHECK(outcome.first == "");
  }
}

// Never reports the first page of an answer.
class deaf_to_the_first : public support::dropping<uffd_async> {
 public:
  explicit deaf_to_the_first(uffd_async honest)
      : dropping(std::move(honest),
                 [](gcbarrier::address_range page) { return (page.begin >> 12) % 16 == 3; }) {}
  static gcbarrier::result<deaf_to_the_first> open(gcbarrier::kernel::system_calls calls) {
    auto made = uffd_async::open(calls);
    if (!made) return made.error();
    return deaf_to_the_first(std::move(*made));
  }
};

}  // namespace

TEST_CASE("policy, faults: uffd_async") {
  keeps_its_promises<uffd_async>();
}
TEST_CASE("policy, faults: mprotect") {
  keeps_its_promises<mprotect_segv>();
}

TEST_CASE("policy, faults: a deaf mechanism is caught") {
  CHECK(sweep_single_faults<deaf_to_the_first, cost_policy>(real_kernel, false, true).broken > 0);
}
