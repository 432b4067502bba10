// Every system call of a tracker's life goes wrong, once, in every way: no answer is ever too narrow, and the
// tracker is exact again within two cycles.
#include <doctest/doctest.h>

#include <optional>

#include "contents_kernel.hpp"
#include "deaf.hpp"
#include "sweep.hpp"

using gcbarrier::mprotect_segv;
using gcbarrier::soft_dirty;
using gcbarrier::uffd_async;

namespace {

// This machine's kernel keeps no soft-dirty bits.
life_options fresh_contents_kernel() {
  static std::optional<contents_kernel> kernel;
  life_options options;
  options.calls = kernel.emplace().calls();
  options.models = [](gcbarrier::address_range memory) { kernel->models(memory); };
  return options;
}

void require_all_kept(const sweep_outcome& outcome) {
  MESSAGE(outcome.lives, " lives");
  CHECK(outcome.lives > 100);
  CHECK_MESSAGE(outcome.broken == 0, outcome.broken, " broken, the first: ", outcome.first);
}

}  // namespace

TEST_CASE("faults: one at every position, uffd_async") {
  require_all_kept(sweep_single_faults<uffd_async>(real_kernel, true));
}

TEST_CASE("faults: one at every position, mprotect") {
  require_all_kept(sweep_single_faults<mprotect_segv>(real_kernel, false));
}

TEST_CASE("faults: one at every position, soft_dirty") {
  require_all_kept(sweep_single_faults<soft_dirty>(fresh_contents_kernel, true));
}

TEST_CASE("faults: many at random, uffd_async") {
  require_all_kept(sweep_random_faults<uffd_async>(real_kernel, true, 600, 0.05));
  require_all_kept(sweep_random_faults<uffd_async>(real_kernel, true, 600, 0.4));
}

TEST_CASE("faults: many at random, mprotect") {
  require_all_kept(sweep_random_faults<mprotect_segv>(real_kernel, false, 600, 0.05));
  require_all_kept(sweep_random_faults<mprotect_segv>(real_kernel, false, 600, 0.4));
}

TEST_CASE("faults: many at random, soft_dirty") {
  require_all_kept(sweep_random_faults<soft_dirty>(fresh_contents_kernel, true, 200, 0.05));
  require_all_kept(sweep_random_faults<soft_dirty>(fresh_contents_kernel, true, 200, 0.4));
}

TEST_CASE("faults: negative control, a mechanism that makes light of an error is caught") {
  CHECK(sweep_single_faults<deaf<uffd_async, deaf_to::reading>>(real_kernel, true, true).broken == 1);
  CHECK(sweep_single_faults<deaf<uffd_async, deaf_to::protecting>>(real_kernel, true, true).broken == 1);
  CHECK(sweep_single_faults<deaf<mprotect_segv, deaf_to::reading>>(real_kernel, false, true).broken == 1);
  CHECK(sweep_single_faults<deaf<soft_dirty, deaf_to::reading>>(fresh_contents_kernel, true, true).broken ==
        1);
}
