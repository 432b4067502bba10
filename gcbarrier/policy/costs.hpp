// What the kernel charges for each way of finding out about a page, and what a search of it costs.
#ifndef GCBARRIER_POLICY_COSTS_HPP
#define GCBARRIER_POLICY_COSTS_HPP

#include <algorithm>
#include <cstdint>

#include "../version.hpp"

GCBARRIER_NAMESPACE_BEGIN

// Picoseconds, so that the 1 to 3 ns of a clean page are not rounded away. The defaults are those of
// Linux 6.18 on a small x86-64 virtual machine.
struct cost_model {
  std::int64_t fault = 1'300'000;      // the first write to a protected page
  std::int64_t arm_call = 900'000;     // one call that protects a range, whatever its size
  std::int64_t arm_page = 50'000;      // each page that it newly protects
  std::int64_t pass_page = 2'000;      // each page that it passes, protected already
  std::int64_t report_page = 10'000;   // a page left unprotected, in the scan that reads the set
  std::int64_t search_page = 150'000;  // and in the collector's search

  // What a page costs a cycle while it is unprotected, written or not: the rent.
  [[nodiscard]] std::int64_t rent() const { return report_page + search_page; }
  // What protecting a page costs by the next write to it: the price. One call for the range comes on top.
  [[nodiscard]] std::int64_t price() const { return arm_page + fault; }
  // For how many cycles the rent stays below the price, rounded up.
  [[nodiscard]] std::int64_t patience() const { return (price() + rent() - 1) / rent(); }
  // And below a third of it.
  [[nodiscard]] std::int64_t haste() const { return (price() + 3 * rent() - 1) / (3 * rent()); }

  // What the cost policy spends at most, relative to the cheapest way in hindsight: see docs/policy.md.
  [[nodiscard]] double bound() const {
    return 3 * (1 + static_cast<double>(arm_call) / static_cast<double>(price() + rent()));
  }

  // The same with every figure inside what the policy's one-byte counters and its bound can work with. A
  // timer's hiccup, or a mechanism of another order of magnitude, must not make it absurd.
  [[nodiscard]] cost_model sane() const {
    cost_model m = *this;
    m.fault = std::clamp<std::int64_t>(m.fault, 50'000, 1'000'000'000);
    m.arm_page = std::clamp<std::int64_t>(m.arm_page, 1'000, m.fault);
    m.pass_page = std::clamp<std::int64_t>(m.pass_page, 0, m.arm_page);
    m.report_page = std::clamp<std::int64_t>(m.report_page, 0, m.fault);
    m.arm_call = std::clamp<std::int64_t>(m.arm_call, 0, 4 * m.price());
    // The longest wait is 2 * (price + call) / rent cycles; it has to fit a byte.
    const std::int64_t least_rent = 2 * (m.price() + m.arm_call) / 250 + 1;
    m.search_page = std::clamp<std::int64_t>(m.search_page, least_rent, std::max(least_rent, m.price()));
    return m;
  }

  friend bool operator==(const cost_model&, const cost_model&) = default;
};

GCBARRIER_NAMESPACE_END

#endif
