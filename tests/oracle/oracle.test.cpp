#include "oracle.hpp"

#include <doctest/doctest.h>

#include <gcbarrier/mechanism/verify.hpp>

#include "support/dropping.hpp"

using gcbarrier::address_range;
using gcbarrier::any_mechanism;
using gcbarrier::basic_write_tracker;
using gcbarrier::mechanism_kind;
using gcbarrier::verify;
using oracle::outcome;
using oracle::plan;
using support::dropping;

namespace {

any_mechanism opened(mechanism_kind kind) {
  auto made = any_mechanism::open(kind, {});
  REQUIRE(made);
  return std::move(*made);
}

template <gcbarrier::mechanism Mechanism>
outcome consult(Mechanism tested, const plan& todo) {
  auto tracker = basic_write_tracker<Mechanism>::over(std::move(tested));
  REQUIRE(tracker);
  return oracle::trial<Mechanism>(*tracker, todo).run();
}

void found_nothing(const outcome& result, const plan& todo) {
  MESSAGE("seed ", todo.seed, ": ", result.writes, " writes in ", result.cycles, " cycles; ",
          result.pages_reported, " pages reported, ", result.pages_needed, " needed, ", result.pages_tracked,
          " tracked");
  CHECK(result.lost == "");
  CHECK(result.cycles >= todo.cycles);
  CHECK(result.writes >= todo.writes);
  // A tracker that always answers with everything would lose nothing.
  CHECK(result.pages_reported < result.pages_tracked * 3 / 4);
  CHECK(result.pages_needed > result.pages_reported / 2);
}

}  // namespace

// A longer run, another seed: the program `oracle`, built beside this one.
TEST_CASE("oracle: every page that differs from the copy is in the set, uffd_async") {
  for (const std::uint64_t seed : {1, 2, 3}) {
    const plan todo{seed, 1000, 100'000};
    found_nothing(consult(opened(mechanism_kind::uffd_async), todo), todo);
  }
}

TEST_CASE("oracle: every page that differs from the copy is in the set, mprotect") {
  const plan todo{4, 1000, 100'000};
  found_nothing(consult(opened(mechanism_kind::mprotect), todo), todo);
}

TEST_CASE("oracle: the verify decorator accuses nobody meanwhile") {
  for (const mechanism_kind kind : {mechanism_kind::uffd_async, mechanism_kind::mprotect}) {
    const plan todo{5, 200, 20'000};
    auto watched = verify<any_mechanism>::over(opened(kind));  // aborts at a lost page
    REQUIRE(watched);
    found_nothing(consult(std::move(*watched), todo), todo);
  }
}

TEST_CASE("oracle: a mechanism that drops one page in a thousand is found out") {
  for (const mechanism_kind kind : {mechanism_kind::uffd_async, mechanism_kind::mprotect}) {
    for (std::uint64_t seed = 1; seed <= 5; ++seed) {
      std::mt19937_64 random(seed);
      dropping<any_mechanism> leaky(opened(kind), [&](address_range) { return random() % 1000 == 0; });
      const outcome result = consult(std::move(leaky), {seed, 1000, 100'000});
      CHECK(result.lost != "");
      CHECK(result.cycles < 200);
    }
  }
}

TEST_CASE("oracle: a run is repeated by its seed") {
  const plan todo{9, 60, 6000};
  const outcome once = consult(opened(mechanism_kind::uffd_async), todo);
  const outcome again = consult(opened(mechanism_kind::uffd_async), todo);
  CHECK(once.writes == again.writes);
  CHECK(once.cycles == again.cycles);
  CHECK(once.pages_tracked == again.pages_tracked);
}
