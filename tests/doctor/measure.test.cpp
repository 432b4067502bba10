// The arithmetic behind every figure that the benchmarks report.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <measure/interleaved.hpp>
#include <measure/mutator_utilisation.hpp>
#include <measure/spread.hpp>
#include <random>
#include <string>
#include <vector>

using gcbench::samples;
using gcbench::spread;

TEST_CASE("spread: median and quartiles, whatever the order") {
  const spread odd = gcbench::spread_of({5, 1, 4, 2, 3});
  CHECK(odd.low == 2);
  CHECK(odd.median == 3);
  CHECK(odd.high == 4);
  CHECK(gcbench::spread_of({4, 1}).median == 2.5);
  CHECK(gcbench::spread_of({7}).high == 7);
  CHECK(gcbench::spread_of({}).median == 0);
}

TEST_CASE("spread: one delayed repetition does not move it") {
  samples taken(21, 10.0);
  taken[7] = 1e9;
  CHECK(gcbench::spread_of(taken).high == 10);
}

TEST_CASE("of_medians: what slows a whole repetition down cancels out of a ratio") {
  samples a;
  samples b;
  for (int i = 0; i < 40; ++i) {
    const double slow = i % 2 == 0 ? 1 : 5;
    a.push_back(30 * slow);
    b.push_back(10 * slow);
  }
  const spread ratio = gcbench::of_medians([](double x, double y) { return x / y; }, a, b);
  CHECK(ratio.low == doctest::Approx(3));
  CHECK(ratio.median == doctest::Approx(3));
  CHECK(ratio.high == doctest::Approx(3));
}

TEST_CASE("of_medians: the interval is as wide as the repetitions disagree") {
  const auto same = [](double x) { return x; };
  samples quiet;
  samples noisy;
  for (int i = 0; i < 50; ++i) {
    quiet.push_back(100 + i % 3);
    noisy.push_back(100 + 10 * (i % 9));
  }
  const spread narrow = gcbench::of_medians(same, quiet);
  const spread wide = gcbench::of_medians(same, noisy);
  CHECK(narrow.low <= 101);
  CHECK(narrow.high >= 101);
  CHECK(narrow.high - narrow.low <= 2);
  CHECK(wide.high - wide.low >= 10);
}

TEST_CASE("interleaved: every repetition runs everything once, in another order") {
  std::string order;
  gcbench::interleaved both;
  const auto a = both.add([&] { return order += 'a', 1.0; });
  const auto b = both.add([&] { return order += 'b', 2.0; });
  constexpr std::size_t repetitions = 20;
  both.repeat(repetitions, repetitions, std::chrono::nanoseconds(0));
  REQUIRE(order.size() == 2 * (repetitions + 1));  // the first pair is the warm-up
  int a_first = 0;
  for (std::size_t i = 0; i < order.size(); i += 2) {
    CHECK(order[i] != order[i + 1]);
    a_first += order[i] == 'a' ? 1 : 0;
  }
  CHECK(a_first > 2);
  CHECK(a_first < 19);
  CHECK(both.taken(a) == samples(repetitions, 1.0));
  CHECK(both.taken(b) == samples(repetitions, 2.0));
}

TEST_CASE("interleaved: stops when the time is over, but not before the least") {
  gcbench::interleaved one;
  const auto number = one.add([] { return 0.0; });
  one.repeat(5, 1000000, std::chrono::nanoseconds(0));
  CHECK(one.taken(number).size() == 5);
}

TEST_CASE("minimum mutator utilisation: by hand") {
  using gcbench::minimum_mutator_utilisation;
  CHECK(minimum_mutator_utilisation({}, 0, 100, 10) == 1);
  const std::vector<gcheap::pause> pauses{{20, 5, false}, {27, 5, true}};
  CHECK(minimum_mutator_utilisation(pauses, 0, 100, 5) == doctest::Approx(0));
  CHECK(minimum_mutator_utilisation(pauses, 0, 100, 10) == doctest::Approx(0.2));
  CHECK(minimum_mutator_utilisation(pauses, 0, 100, 12) == doctest::Approx(2 / 12.0));
  CHECK(minimum_mutator_utilisation(pauses, 0, 100, 100) == doctest::Approx(0.9));
  CHECK(minimum_mutator_utilisation(pauses, 0, 100, 1000) == doctest::Approx(0.9));
  CHECK(minimum_mutator_utilisation({{0, 5, false}}, 0, 100, 10) == doctest::Approx(0.5));
  CHECK(minimum_mutator_utilisation({{95, 5, false}}, 0, 100, 10) == doctest::Approx(0.5));
}

TEST_CASE("minimum mutator utilisation: as every window tells") {
  std::mt19937 random(3);
  for (int round = 0; round < 200; ++round) {
    std::vector<gcheap::pause> pauses;
    std::vector<int> paused(120, 0);
    for (std::uint64_t at = random() % 20; at < 100;) {
      const std::uint64_t ns = 1 + random() % 9;
      pauses.push_back({at, ns, false});
      for (std::uint64_t i = at; i < at + ns; ++i) paused[i] = 1;
      at += ns + random() % 20;
    }
    const std::size_t window = 1 + random() % 119;
    int worst = 0;
    for (std::size_t from = 0; from + window <= paused.size(); ++from) {
      int sum = 0;
      for (std::size_t i = from; i < from + window; ++i) sum += paused[i];
      worst = std::max(worst, sum);
    }
    CHECK(gcbench::minimum_mutator_utilisation(pauses, 0, paused.size(), window) ==
          doctest::Approx(1 - worst / static_cast<double>(window)));
  }
}
