// The promise of docs/policy.md: on no sequence of writes does the policy pay more than bound() times the
// least that a policy could have paid that knew the future, but for a sum for each page, once.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <gcbarrier/policy/costs.hpp>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "simulation.hpp"

using gcbarrier::cost_model;
using simulation::deed;
using simulation::trace;

namespace {

constexpr std::uint64_t cycles = 3000;

// Machines with a dear call, one that costs nothing, slow searches and quick ones, and mprotect.
const cost_model machines[] = {
    {},
    {1'300'000, 0, 50'000, 0, 10'000, 150'000},
    {800'000, 1'000'000, 50'000, 1'000, 20'000, 400'000},
    {1'600'000, 1'300'000, 60'000, 3'000, 10'000, 60'000},
    {8'000'000, 650'000, 3'300'000, 500, 300'000, 150'000},
};

double random_fraction(std::mt19937_64& random) {
  return static_cast<double>(random() >> 11) * 0x1p-53;
}

// Hidden state of the trace lives in the closure, so each is made anew for each run.
struct named_trace {
  const char* name;
  std::function<trace()> make;
};

trace by_chance(std::uint64_t seed, std::function<double(std::uint64_t, std::size_t)> chance, bool found) {
  return [random = std::mt19937_64(seed), chance = std::move(chance), found](std::uint64_t cycle,
                                                                             std::size_t page, bool) mutable {
    return deed{random_fraction(random) < chance(cycle, page), found};
  };
}

const named_trace ordinary[] = {
    {"hot set",
     [] {
       return by_chance(
           1, [](auto, auto page) { return page % 20 == 7 ? 1.0 : 0.0; }, true);
     }},
    {"hot set, nothing found",
     [] {
       return by_chance(
           2, [](auto, auto page) { return page % 20 == 7 ? 1.0 : 0.0; }, false);
     }},
    {"dense",
     [] {
       return by_chance(
           3, [](auto, auto) { return 0.99; }, true);
     }},
    {"dense, nothing found",
     [] {
       return by_chance(
           4, [](auto, auto) { return 0.99; }, false);
     }},
    {"sparse",
     [] {
       return by_chance(
           5, [](auto, auto) { return 0.14; }, true);
     }},
    {"sparse, nothing found",
     [] {
       return by_chance(
           6, [](auto, auto) { return 0.14; }, false);
     }},
    {"rare",
     [] {
       return by_chance(
           7, [](auto, auto) { return 0.01; }, true);
     }},
    {"phases",
     [] {
       return by_chance(
           8, [](auto cycle, auto page) { return (cycle / 60 + page / 32) % 3 == 0 ? 0.95 : 0.01; }, true);
     }},
    {"every chance at once",
     [] {
       return by_chance(
           9, [](auto, auto page) { return static_cast<double>(page % 64) / 63; }, false);
     }},
};

// What the adversary knows is whether the page is protected; it writes when that hurts.
const named_trace adversaries[] = {
    {"written whenever protected, else clean",
     [] { return [](std::uint64_t, std::size_t, bool closed) {
            return deed{closed, false};
          }; }},
    {"always written, nothing found",
     [] { return [](std::uint64_t, std::size_t, bool) {
            return deed{true, false};
          }; }},
    {"written whenever protected, else by turns",
     [] {
       return [](std::uint64_t cycle, std::size_t, bool closed) {
         return deed{closed || cycle % 2 == 0, false};
       };
     }},
    {"found once in a while, so that it never gives up",
     [] {
       return [](std::uint64_t cycle, std::size_t, bool closed) {
         return deed{closed || cycle % 3 == 0, true};
       };
     }},
    {"one page toggles in 16",
     [] {
       return [](std::uint64_t cycle, std::size_t page, bool) {
         return deed{page % 16 == 0 && cycle / 8 % 2 == 0, page % 32 == 0};
       };
     }},
};

double ratio_of(const trace& deeds, const cost_model& real, const cost_model& believed,
                std::size_t pages = 256) {
  simulation::kernel simulated(pages, real, believed);
  simulated.run(cycles, deeds);
  return simulated.ratio();
}
double ratio_of(const trace& deeds, const cost_model& costs) {
  return ratio_of(deeds, costs, costs);
}

// Writes after a random number of clean cycles in each of two states, drawn anew for each seed.
trace random_adversary(std::uint64_t seed) {
  struct page_state {
    std::uint64_t clean = 0;
  };
  std::mt19937_64 random(seed);
  const std::uint64_t while_closed = random() % 12;
  const std::uint64_t while_open = random() % 2 == 0 ? 1000 : random() % 12;
  const std::uint64_t change_after = 1 + random() % 200;
  const bool found = random() % 2 == 0;
  return
      [=, states = std::vector<page_state>(256)](std::uint64_t cycle, std::size_t page, bool closed) mutable {
        const bool quick = cycle / change_after % 2 == 0;
        const std::uint64_t wait = closed ? (quick ? 0 : while_closed) : while_open;
        page_state& state = states[page];
        const bool write = state.clean++ >= wait;
        if (write) state.clean = 0;
        return deed{write, found};
      };
}

}  // namespace

TEST_CASE("bound: ordinary programs stay well below it") {
  for (const cost_model& costs : machines) {
    for (const named_trace& one : ordinary) {
      CAPTURE(one.name);
      CAPTURE(costs.search_page);
      CHECK(ratio_of(one.make(), costs) < 0.75 * costs.bound());
    }
  }
}

TEST_CASE("bound: adversaries do not get beyond it, and come near enough to show that it means something") {
  double nearest = 0;
  for (const cost_model& costs : machines) {
    for (const named_trace& one : adversaries) {
      CAPTURE(one.name);
      CAPTURE(costs.search_page);
      const double ratio = ratio_of(one.make(), costs);
      CHECK(ratio < costs.bound());
      nearest = std::max(nearest, ratio / costs.bound());
    }
    for (std::uint64_t seed = 1; seed <= 60; ++seed) {
      CAPTURE(seed);
      const double ratio = ratio_of(random_adversary(seed), costs);
      REQUIRE(ratio < costs.bound());
      nearest = std::max(nearest, ratio / costs.bound());
    }
  }
  MESSAGE("the worst adversary reached ", nearest, " of the bound");
  CHECK(nearest > 0.4);
}

TEST_CASE("bound: a single page pays for its calls alone, and stays below it too") {
  for (const cost_model& costs : machines) {
    for (const named_trace& one : adversaries) {
      CAPTURE(one.name);
      CHECK(ratio_of(one.make(), costs, costs, 1) < costs.bound());
    }
  }
}

TEST_CASE("bound: a policy with the wrong thresholds breaks it") {
  // Quick searches and no charge for calls: the bound is 3, and mistakes are dear.
  const cost_model real{1'300'000, 0, 50'000, 0, 10'000, 30'000};
  CHECK(real.bound() == 3);
  cost_model thinks_faults_are_cheap = real;
  thinks_faults_are_cheap.fault = 60'000;
  thinks_faults_are_cheap.search_page = 40'000;
  CHECK(ratio_of(adversaries[1].make(), real, thinks_faults_are_cheap) > 2 * real.bound());
  cost_model thinks_searches_are_free = real;
  thinks_searches_are_free.fault = 20'000'000;
  CHECK(ratio_of(adversaries[0].make(), real, thinks_searches_are_free) > 2 * real.bound());
}

TEST_CASE("bound: calls are paid for by the rents saved, so there is never one for each page") {
  for (const cost_model& costs : machines) {
    if (costs.arm_call == 0) continue;
    for (const named_trace& one : ordinary) {
      CAPTURE(one.name);
      simulation::kernel simulated(1024, costs);
      simulated.run(400, one.make());
      CHECK(static_cast<double>(simulated.calls()) * static_cast<double>(costs.arm_call) <
            2 * static_cast<double>(simulated.rents()));
    }
  }
}

TEST_CASE("bound: where all pages are alike, one call a cycle is enough") {
  simulation::kernel dense(4096, cost_model{});
  dense.run(200, by_chance(
                     1, [](auto, auto) { return 1.0; }, false));
  CHECK(dense.calls() <= 200);
  simulation::kernel rare(4096, cost_model{});
  rare.run(200, by_chance(
                    1, [](auto, auto) { return 0.01; }, true));
  CHECK(rare.calls() <= 3 * 200);
}
