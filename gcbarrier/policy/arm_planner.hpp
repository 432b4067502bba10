// Chooses the ranges to protect, so that what is gained by it exceeds the calls by the most.
#ifndef GCBARRIER_POLICY_ARM_PLANNER_HPP
#define GCBARRIER_POLICY_ARM_PLANNER_HPP

#include <algorithm>
#include <cstdint>

#include "../version.hpp"
#include "costs.hpp"

GCBARRIER_NAMESPACE_BEGIN

// A call protects every page in its range, wanted or not. So each page has a value, what it gains us to
// protect it (negative for one that is better left alone), each range costs a call, and each page passed on
// the way that is protected already costs a little. The plan is the set of ranges with the greatest sum. It
// follows that
// - a range is worth its call: the values in it add up to at least what it costs,
// - no page is left out that would be worth a call of its own, nor any range of pages.
//
// Found by dynamic programming over two states, inside a range and outside: one step a page forwards, in
// address order, and one back. Two bits a page are remembered, by the caller, between the two.
class arm_planner {
 public:
  using step = std::uint8_t;  // 0 to 3
  static constexpr step step_mask = 3;

  explicit arm_planner(const cost_model& costs) : call_(costs.arm_call), pass_(costs.pass_page) {}

  // ---- forwards ----

  void begin() {
    inside_ = unreachable;
    outside_ = 0;
  }

  // The next page that is not protected: how many protected ones lie between it and the last, and its value
  // in picoseconds.
  step add(std::int64_t passed, std::int64_t value) {
    const std::int64_t extended = inside_ - bridge(passed);
    const std::int64_t opened = outside_ - call_;
    const step came_from = static_cast<step>((extended >= opened ? inside_if_inside : 0) |
                                             (inside_ > outside_ ? inside_if_outside : 0));
    outside_ = std::max(inside_, outside_);
    inside_ = value + std::max(extended, opened);
    return came_from;
  }

  // What the best plan for the pages so far gains; never negative.
  [[nodiscard]] std::int64_t gain() const { return std::max(inside_, outside_); }

  // ---- back, from the last page to the first ----

  // Whether the last page is to be protected.
  [[nodiscard]] bool last_is_inside() const { return inside_ > outside_; }
  // Whether the page before the one that `taken` belongs to is, given whether that one is.
  [[nodiscard]] static bool before_is_inside(step taken, bool inside) {
    return (taken & (inside ? inside_if_inside : inside_if_outside)) != 0;
  }
  // Whether two pages that are both inside are so in one range, passing the protected ones between them.
  [[nodiscard]] bool bridges(std::int64_t passed) const { return passed * pass_ <= call_; }

 private:
  static constexpr step inside_if_inside = 1;
  static constexpr step inside_if_outside = 2;
  static constexpr std::int64_t unreachable = INT64_MIN / 4;

  [[nodiscard]] std::int64_t bridge(std::int64_t passed) const {
    return bridges(passed) ? passed * pass_ : call_;
  }

  std::int64_t call_;
  std::int64_t pass_;
  std::int64_t inside_ = unreachable;  // the greatest gain of a plan that has the last page inside a range
  std::int64_t outside_ = 0;           // or outside
};

GCBARRIER_NAMESPACE_END

#endif
