// The rule itself: who is protected, and when.
#include <doctest/doctest.h>

#include <cstdint>
#include <gcbarrier/policy/cost_policy.hpp>
#include <random>
#include <set>
#include <vector>

#include "simulation.hpp"

using gcbarrier::address_range;
using gcbarrier::cost_model;
using gcbarrier::cost_policy;
using gcbarrier::page_history;
using simulation::deed;
using simulation::pages_at;

namespace {

// Calls cost nothing, so that each page is decided by itself. patience() is 10 and haste() 4.
const cost_model no_calls{1'000'000, 0, 20'000, 0, 10'000, 95'000};

}  // namespace

TEST_CASE("cost policy: two bytes a page") {
  CHECK(sizeof(gcbarrier::page_record) <= 2);
}

TEST_CASE("cost policy: a page that is always written, and found, is left alone after one fault") {
  simulation::kernel one(1, no_calls);
  std::uint64_t faults = 0;
  one.run(500, [&](std::uint64_t, std::size_t, bool closed) {
    faults += closed ? 1 : 0;
    return deed{true, true};
  });
  CHECK(faults == 1);  // new pages are protected at first, whatever was found in them
  CHECK_FALSE(one.is_protected(0));
}

TEST_CASE("cost policy: a page that is written seldom is protected again at once") {
  simulation::kernel one(1, no_calls);
  std::uint64_t unprotected = 0;
  one.run(1000, [&](std::uint64_t cycle, std::size_t, bool closed) {
    unprotected += closed ? 0 : 1;
    return deed{cycle % 20 == 19, true};
  });
  CHECK(unprotected == 1);  // the first cycle
}

TEST_CASE("cost policy: when nothing is found any more, it tries") {
  simulation::kernel one(1, no_calls);
  std::uint64_t protected_from = 0;
  one.run(200, [&](std::uint64_t cycle, std::size_t, bool closed) {
    if (cycle > 100 && closed && protected_from == 0) protected_from = cycle;
    return deed{cycle < 100, true};
  });
  // Level 2: rent for the price, and the cycle in which it is noticed.
  CHECK(protected_from >= 100 + static_cast<std::uint64_t>(no_calls.patience()));
  CHECK(protected_from <= 102 + static_cast<std::uint64_t>(no_calls.patience()));
}

TEST_CASE("cost policy: of a hot set that is searched in vain, most cycles see it unprotected") {
  simulation::kernel some(64, no_calls);
  std::uint64_t faults = 0;
  some.run(1000, [&](std::uint64_t, std::size_t, bool closed) {
    faults += closed ? 1 : 0;
    return deed{true, false};
  });
  CHECK(faults < 64 * 1000 / 15);
}

TEST_CASE("cost policy: the same inputs give the same calls") {
  const auto run = [](std::uint64_t seed) {
    simulation::kernel some(500, cost_model{});
    std::mt19937_64 random(seed);
    some.run(300, [&](std::uint64_t, std::size_t page, bool) {
      const std::uint64_t dice = random();
      return deed{dice % 500 < page, dice % 3 == 0};
    });
    return some.log();
  };
  CHECK(run(1) == run(1));
  CHECK(run(1) != run(2));
}

TEST_CASE("cost policy: each call is a range of the arena, from high to low, and marks what it protects") {
  cost_policy policy;
  page_history history;
  constexpr std::size_t pages = 600;
  REQUIRE_FALSE(history.cover(pages_at(0, pages)));
  std::mt19937_64 random(5);
  std::vector<bool> closed(pages);
  for (int cycle = 0; cycle < 400; ++cycle) {
    gcbarrier::run_list runs;
    REQUIRE_FALSE(runs.reserve(pages));
    for (std::size_t i = 0; i < pages; ++i) {
      if (random() % 100 < i % 100) closed[i] = false;
      if (!closed[i]) runs.append(pages_at(i, 1));
      if (!closed[i] && random() % 2 == 0) history.note_found(pages_at(i, 1));
    }
    // A part of it, now and then; the rest is as it was.
    const address_range within =
        cycle % 5 == 0 ? pages_at(random() % 300, 1 + random() % 300) : history.range();
    std::uintptr_t below = within.end;
    policy.next_cycle();
    const gcbarrier::error why = policy.select(history, within, runs.runs(), [&](address_range range) {
      CHECK_FALSE(range.empty());
      CHECK(range.end <= below);
      CHECK(range.begin >= within.begin);
      below = range.begin;
      for (std::size_t i = history.index(range.begin); i < history.index(range.end); ++i) closed[i] = true;
      return gcbarrier::error{};
    });
    REQUIRE_FALSE(why);
    for (std::size_t i = 0; i < pages; ++i) {
      const bool believes = (history[i].state & gcbarrier::page_record::unprotected) == 0;
      if (within.contains(pages_at(i, 1)) || cycle == 0) REQUIRE(believes == closed[i]);
    }
  }
}

namespace {

// An arena that grows by so many pages in each cycle; of what was new in a cycle, a part is written in the
// next, if it is protected.
struct growing {
  static constexpr std::size_t step = 160;
  cost_policy policy{no_calls};
  page_history history;
  std::size_t pages = 0;
  std::size_t last_protected = 0;  // of the new pages

  // The first `opened` pages are unprotected by the collector.
  void cycle(std::size_t tenths_written, std::size_t opened = 0) {
    if (opened != 0) cost_policy::opened(history, pages_at(0, opened));
    gcbarrier::run_list written;
    REQUIRE_FALSE(written.reserve(pages + 1));
    for (std::size_t page = 0; page < pages; ++page) {
      const bool is_new = page + step >= pages;
      const bool faults = is_new && page % 10 < tenths_written;
      if (history[page].state & gcbarrier::page_record::unprotected || faults || page < opened) {
        written.append(pages_at(page, 1));
      }
    }
    policy.next_cycle();
    const auto protect = [](address_range) { return gcbarrier::error{}; };
    REQUIRE_FALSE(policy.select(history, history.range(), written.runs(), protect));
    REQUIRE_FALSE(history.cover(pages_at(0, pages + step)));
    last_protected = 0;
    REQUIRE_FALSE(policy.begin(history, pages_at(pages, step), false, [&](address_range chosen) {
      last_protected += chosen.bytes() / gcbarrier::kernel::page_size();
      return gcbarrier::error{};
    }));
    pages += step;
  }
};

}  // namespace

TEST_CASE_FIXTURE(growing, "cost policy: new pages that are not written are all protected at once") {
  for (int i = 0; i < 20; ++i) {
    cycle(0);
    CHECK(last_protected == step);
  }
}

TEST_CASE_FIXTURE(growing,
                  "cost policy: where new pages turn out to be written, only a sample is protected") {
  cycle(6);
  cycle(6);  // now it knows
  CHECK(last_protected == step / 8);
  for (int i = 0; i < 20; ++i) {
    cycle(6);
    CHECK(last_protected == step / 8);
  }
  // And it notices that they are not any more.
  for (int i = 0; i < 6; ++i) cycle(0);
  CHECK(last_protected == step);
}

TEST_CASE_FIXTURE(growing,
                  "cost policy: of new pages left unprotected, those that stay cold are protected later") {
  for (int i = 0; i < 5; ++i) cycle(9);
  const std::size_t before = pages;
  for (int i = 0; i < 2 * no_calls.patience(); ++i) cycle(0);
  std::size_t open = 0;
  for (std::size_t page = 0; page < before; ++page) {
    open += history[page].state & gcbarrier::page_record::unprotected ? 1 : 0;
  }
  CHECK(open == 0);
}

TEST_CASE_FIXTURE(growing, "cost policy: what was opened without a fault is nobody's write") {
  cycle(0);
  cycle(0);
  for (int i = 0; i < 50; ++i) {
    cycle(0, 100);
    // As cold as before: protected again at once.
    for (std::size_t page = 0; page < 100; ++page) {
      REQUIRE(history[page].level() == 0);
      REQUIRE((history[page].state & gcbarrier::page_record::unprotected) == 0);
    }
  }
}

TEST_CASE("cost policy: an error of a call ends it at once") {
  cost_policy policy;
  page_history history;
  REQUIRE_FALSE(history.cover(pages_at(0, 1000)));
  const address_range runs[] = {pages_at(0, 100), pages_at(900, 100)};
  int calls = 0;
  policy.next_cycle();
  const gcbarrier::error why = policy.select(history, history.range(), runs, [&](address_range range) {
    ++calls;
    return gcbarrier::error{"protect", EIO, range, ""};
  });
  CHECK(why.code == EIO);
  CHECK(calls == 1);
  CHECK(policy
            .begin(history, history.range(), false,
                   [](address_range range) {
                     return gcbarrier::error{"protect", EIO, range, ""};
                   })
            .code == EIO);
}

TEST_CASE("cost policy: absurd costs are made sane") {
  const cost_model absurd[] = {
      {0, 0, 0, 0, 0, 0},
      {-5, -5, -5, -5, -5, -5},
      {INT64_MAX / 8, INT64_MAX / 8, INT64_MAX / 8, INT64_MAX / 8, INT64_MAX / 8, INT64_MAX / 8},
      {1'000'000, 1'000'000'000, 0, 0, 0, 1},
  };
  for (const cost_model& given : absurd) {
    const cost_model costs = given.sane();
    CHECK(costs == costs.sane());
    CHECK(costs.rent() > 0);
    CHECK(costs.patience() >= costs.haste());
    CHECK(costs.haste() >= 1);
    // The longest wait fits the counter.
    CHECK(2 * (costs.price() + costs.arm_call) / costs.rent() < 255);
    simulation::kernel some(10, given);
    some.run(700, [](std::uint64_t, std::size_t, bool) { return deed{false, false}; });
    CHECK(some.is_protected(0));
  }
}
