// The cost policy against a kernel that only keeps accounts, and the cheapest way in hindsight.
#ifndef GCBARRIER_TESTS_POLICY_SIMULATION_HPP
#define GCBARRIER_TESTS_POLICY_SIMULATION_HPP

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <gcbarrier/policy/cost_policy.hpp>
#include <gcbarrier/run_list.hpp>
#include <utility>
#include <vector>

namespace simulation {

inline constexpr std::uintptr_t base = 0x7000'0000'0000;

inline gcbarrier::address_range pages_at(std::size_t first, std::size_t count) {
  const std::size_t page = gcbarrier::kernel::page_size();
  return {base + first * page, base + (first + count) * page};
}

// What a page does in one cycle.
struct deed {
  bool written = false;
  bool found = false;  // a search would find a young pointer: only where it was written
};

// A page's deeds may depend on whether it is protected: an adversary's do.
using trace = std::function<deed(std::uint64_t cycle, std::size_t page, bool is_protected)>;

class kernel {
 public:
  // The policy believes in `believed`; what is paid is `real`.
  kernel(std::size_t pages, const gcbarrier::cost_model& real, const gcbarrier::cost_model& believed)
      : costs_(real.sane()), policy_(believed), protected_(pages), free_(pages, 0), bought_(pages, never) {
    REQUIRE_FALSE(history_.cover(pages_at(0, pages)));
    REQUIRE_FALSE(written_.reserve(pages + 1));
  }
  kernel(std::size_t pages, const gcbarrier::cost_model& real) : kernel(pages, real, real) {}

  void run(std::uint64_t cycles, const trace& deeds) {
    for (std::uint64_t i = 0; i < cycles; ++i) cycle(deeds);
  }

  void cycle(const trace& deeds) {
    written_.clear();
    for (std::size_t page = 0; page < protected_.size(); ++page) {
      const deed now = deeds(cycles_, page, protected_[page]);
      live_through(page, now.written);
      if (protected_[page] && !now.written) continue;
      if (protected_[page]) paid_ += costs_.fault;
      paid_ += costs_.rent();
      rents_ += costs_.rent();
      protected_[page] = false;
      written_.append(pages_at(page, 1));
      if (now.written && now.found) history_.note_found(pages_at(page, 1));
    }
    policy_.next_cycle();
    REQUIRE_FALSE(policy_.select(history_, history_.range(), written_.runs(),
                                 [this](gcbarrier::address_range range) { return protect(range); }));
    ++cycles_;
  }

  [[nodiscard]] const gcbarrier::cost_model& costs() const { return costs_; }
  [[nodiscard]] double paid() const { return static_cast<double>(paid_); }
  // The least that every page by itself could have paid, knowing the future; calls not counted.
  [[nodiscard]] double least() const {
    double sum = 0;
    for (std::size_t page = 0; page < free_.size(); ++page) {
      sum += static_cast<double>(std::min(free_[page], bought_[page]));
    }
    return sum;
  }
  // What the bound allows beside its multiple, once for all: see docs/policy.md.
  [[nodiscard]] double allowance() const {
    return static_cast<double>(protected_.size()) * 6 *
           static_cast<double>(costs_.price() + costs_.arm_call + costs_.rent());
  }
  [[nodiscard]] double ratio() const { return (paid() - allowance()) / least(); }
  [[nodiscard]] std::uint64_t calls() const { return calls_; }
  [[nodiscard]] std::int64_t rents() const { return rents_; }
  [[nodiscard]] bool is_protected(std::size_t page) const { return protected_[page]; }
  [[nodiscard]] const std::vector<gcbarrier::address_range>& log() const { return log_; }

 private:
  static constexpr std::int64_t never = INT64_MAX / 2;

  gcbarrier::error protect(gcbarrier::address_range range) {
    log_.push_back(range);
    ++calls_;
    paid_ += costs_.arm_call;
    for (std::size_t page = history_.index(range.begin); page < history_.index(range.end); ++page) {
      paid_ += protected_[page] ? costs_.pass_page : costs_.arm_page;
      protected_[page] = true;
    }
    return {};
  }

  // The two accounts of a page that knows the future: unprotected, or protected, when the cycle begins.
  // Protect it at a cycle's end costs arm_page; unprotected again it becomes only by being written.
  void live_through(std::size_t page, bool written) {
    std::int64_t open = free_[page] + costs_.rent();
    std::int64_t closed = bought_[page];
    if (written) {
      open = std::min(open, bought_[page] + costs_.fault + costs_.rent());
      closed = never;
    }
    free_[page] = open;
    bought_[page] = std::min(closed, open + costs_.arm_page);
  }

  gcbarrier::cost_model costs_;
  gcbarrier::cost_policy policy_;
  gcbarrier::page_history history_;
  gcbarrier::run_list written_;
  std::vector<bool> protected_;
  std::vector<std::int64_t> free_;
  std::vector<std::int64_t> bought_;
  std::vector<gcbarrier::address_range> log_;  // of every call, in order
  std::uint64_t cycles_ = 0;
  std::uint64_t calls_ = 0;
  std::int64_t paid_ = 0;
  std::int64_t rents_ = 0;
};

}  // namespace simulation

#endif
