#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <gcbarrier/policy/arm_planner.hpp>
#include <random>
#include <vector>

using gcbarrier::arm_planner;
using gcbarrier::cost_model;

namespace {

// A page that is not protected: how many protected ones lie before it, and its value.
struct candidate {
  std::int64_t passed;
  std::int64_t value;
};
using candidates = std::vector<candidate>;
using decision = std::vector<bool>;  // which of them are to be protected

std::int64_t gain_of(const candidates& pages, const decision& inside, const cost_model& costs) {
  std::int64_t gain = 0;
  for (std::size_t i = 0; i < pages.size(); ++i) {
    if (!inside[i]) continue;
    gain += pages[i].value;
    const bool follows = i > 0 && inside[i - 1];
    gain -= follows ? std::min(costs.arm_call, pages[i].passed * costs.pass_page) : costs.arm_call;
  }
  return gain;
}

std::int64_t best_of_all(const candidates& pages, const cost_model& costs) {
  std::int64_t best = 0;
  for (std::uint32_t bits = 0; bits < std::uint32_t{1} << pages.size(); ++bits) {
    decision inside(pages.size());
    for (std::size_t i = 0; i < pages.size(); ++i) inside[i] = (bits >> i & 1) != 0;
    best = std::max(best, gain_of(pages, inside, costs));
  }
  return best;
}

struct plan {
  std::int64_t gain;
  decision inside;
};
plan plan_for(const candidates& pages, const cost_model& costs) {
  arm_planner planner(costs);
  planner.begin();
  std::vector<arm_planner::step> steps;
  for (const candidate& page : pages) {
    steps.push_back(planner.add(page.passed, page.value));
    CHECK(steps.back() <= arm_planner::step_mask);
  }
  plan made{planner.gain(), decision(pages.size())};
  bool inside = planner.last_is_inside();
  for (std::size_t i = pages.size(); i-- > 0;) {
    made.inside[i] = inside;
    inside = arm_planner::before_is_inside(steps[i], inside);
  }
  return made;
}

// Empty: the plan is the best there is, and says so. Else what is wrong with it.
const char* fault_of(const plan& made, const candidates& pages, const cost_model& costs) {
  if (gain_of(pages, made.inside, costs) != made.gain) return "it gains something else than it says";
  if (made.gain != best_of_all(pages, costs)) return "there is a better one";
  return "";
}

candidates random_pages(std::mt19937_64& random, std::size_t most) {
  candidates pages(random() % (most + 1));
  for (candidate& page : pages) {
    page.passed = random() % 3 == 0 ? static_cast<std::int64_t>(random() % 1000) : 0;
    page.value = static_cast<std::int64_t>(random() % 4'000'000) - 2'000'000;
  }
  return pages;
}

}  // namespace

TEST_CASE("planner: it finds what trying every plan finds") {
  std::mt19937_64 random(1);
  const cost_model costs;
  for (int i = 0; i < 1500; ++i) {
    const candidates pages = random_pages(random, 11);
    const plan made = plan_for(pages, costs);
    REQUIRE(fault_of(made, pages, costs) == doctest::String(""));
  }
}

TEST_CASE("planner: a plan that misses a page, or takes one too many, is caught") {
  std::mt19937_64 random(2);
  const cost_model costs;
  int broken = 0;
  for (int i = 0; i < 500; ++i) {
    const candidates pages = random_pages(random, 9);
    plan made = plan_for(pages, costs);
    if (pages.empty()) continue;
    const std::size_t page = random() % pages.size();
    made.inside[page] = !made.inside[page];
    ++broken;
    REQUIRE(fault_of(made, pages, costs) != doctest::String(""));
  }
  CHECK(broken > 300);
}

TEST_CASE("planner: a range pays for its call, and no page is left out that would pay for one alone") {
  std::mt19937_64 random(3);
  const cost_model costs;
  const candidates pages = random_pages(random, 100'000);
  REQUIRE(pages.size() > 1000);
  const plan made = plan_for(pages, costs);
  CHECK(gain_of(pages, made.inside, costs) == made.gain);
  std::int64_t range = 0;
  for (std::size_t i = 0; i < pages.size(); ++i) {
    if (!made.inside[i]) {
      if (pages[i].value > costs.arm_call || range < 0) FAIL("page ", i, ": ", range, ", ", pages[i].value);
      range = 0;
      continue;
    }
    const bool follows = i > 0 && made.inside[i - 1];
    range += pages[i].value -
             (follows ? std::min(costs.arm_call, pages[i].passed * costs.pass_page) : costs.arm_call);
  }
  CHECK(range >= 0);
}

TEST_CASE("planner: nothing to protect gains nothing") {
  CHECK(plan_for({}, {}).gain == 0);
  CHECK(plan_for({{0, -1}, {5, -1}}, {}).gain == 0);
  CHECK(plan_for({{0, -1}, {5, -1}}, {}).inside == decision{false, false});
}
