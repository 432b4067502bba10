// Protects only what pays. A page that is written in most cycles is left unprotected and just searched, as
// one search costs a fraction of one fault; a page that is written seldom is protected and costs nothing.
//
// Renting or buying without knowing the future: an unprotected page costs its rent (a search) each cycle, and
// to protect it costs a price (the next fault). docs/policy.md has the rule's proof: on any sequence of
// writes the cost stays below a small multiple of the least possible.
#ifndef GCBARRIER_POLICY_COST_POLICY_HPP
#define GCBARRIER_POLICY_COST_POLICY_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "../address_range.hpp"
#include "../error.hpp"
#include "../kernel/system_calls.hpp"
#include "../mechanism/mechanism.hpp"
#include "../version.hpp"
#include "arm_planner.hpp"
#include "calibration.hpp"
#include "costs.hpp"
#include "page_history.hpp"
#include "policy.hpp"

GCBARRIER_NAMESPACE_BEGIN

// The rule. Each page has a level, 0 (cold) to 3 (hot). When it is known to have been written, because it was
// protected and took the fault or because a search found a young pointer in it, it waits: at levels 0 and 1
// it wants to be protected at once, at level 2 when it has paid its price in rent without another such sign,
// at level 3 when it has paid twice that. A fault that came sooner after the page was protected than rent
// would have paid a third of the price moves it up. One that came later moves it down from 3 and 2; from 1
// only if rent would have paid all of the price.
//
// New pages are taken for what new ones lately turned out to be. As long as few of them were written in their
// first cycle they begin at level 0 and are protected. Else they begin at level 2 and wait, but for a sample,
// which is protected to go on finding out.
//
// The same inputs give the same decisions. Not for several threads at once.
class cost_policy {
 public:
  static constexpr bool selects = true;
  static constexpr std::string_view suffix = "+cost";
  using history = page_history;

  static constexpr unsigned first_hot_level = 2;
  static constexpr unsigned highest_level = 3;

  explicit cost_policy(const cost_model& costs = {})
      : costs_(costs.sane()), planner_(costs_), patience_(costs_.patience()), haste_(costs_.haste()) {
    for (std::size_t cycles = 0; cycles < waits; ++cycles) {
      const auto rent = static_cast<std::int64_t>(cycles) * costs_.rent();
      // A cold page owes nothing: it gains from the next cycle on.
      value_[0][cycles] = value_[1][cycles] = rent + costs_.rent() - costs_.arm_page;
      for (unsigned level = first_hot_level; level <= highest_level; ++level) {
        value_[level][cycles] = rent / (level - first_hot_level + 1) - costs_.price();
      }
    }
  }

  // With this machine's costs; with the defaults where they cannot be measured. Nor are they where measuring
  // would forget what another tracker of the process waits for, or call what a sandbox may kill for.
  template <mechanism M>
  static cost_policy fit(M& mechanism, kernel::system_calls calls) {
    const mechanism_traits traits = mechanism.traits();
    if (traits.clears_whole_process || traits.adopted) return cost_policy();
    const result<cost_model> measured = calibrate(mechanism, calls);
    return cost_policy(measured ? *measured : cost_model{});
  }

  [[nodiscard]] const cost_model& costs() const { return costs_; }

  // A collection ends: once, before select() and then begin() for each of its arenas.
  void next_cycle() {
    ++cycle_;
    if (last_new_ == 0) return;
    // What was learnt before counts half.
    new_tried_ = new_tried_ / 2 + last_new_;
    new_written_ /= 2;
    last_new_ = 0;
  }

  // `written` are the runs of pages that are not protected, ordered, disjoint, page-aligned; only what lies
  // `within` counts, a part of the history's range. Calls arm(address_range) for each range to protect, from
  // the highest address to the lowest, and returns its error, if any, at once: then the history is of no use
  // until begin(). Linear in the pages of the runs.
  template <class Arm>
  error select(history& pages, address_range within, std::span<const address_range> written, Arm arm) {
    written = runs_in(within, written);
    if (written.empty()) return {};
    planner_.begin();
    std::size_t next = pages.index(within.begin);  // after the last one added
    for (std::size_t r = 0; r < written.size(); ++r) {
      if (r + ahead < written.size()) pages.prefetch(written[r + ahead].begin);
      const address_range part = written[r].intersection(within);
      const std::size_t first = pages.index(part.begin);
      const std::size_t last = pages.index(part.end);
      for (std::size_t i = first; i < last; ++i) {
        page_record& page = pages[i];
        learn(page);
        const arm_planner::step taken =
            planner_.add(static_cast<std::int64_t>(i - next), value_[page.level()][page.count]);
        page.state = static_cast<std::uint8_t>((page.state & ~page_record::step_bits) | taken);
        next = i + 1;
      }
    }
    return carry_out(pages, within, written, arm);
  }

  // The range is new; or, `after_loss`, nothing is known about it any more, not even whether it is protected:
  // then all of it must be. Calls arm(address_range) for the part to protect.
  template <class Arm>
  error begin(history& pages, address_range range, bool after_loss, Arm arm) {
    address_range chosen = range;
    if (!after_loss && new_pages_are_hot()) {
      const std::size_t part = pages.index(range.end) - pages.index(range.begin);
      const std::size_t first = pages.index(range.begin) + cycle_ % sampled * (part / sampled);
      if (part >= sampled) chosen = {pages.address(first), pages.address(first + part / sampled)};
    }
    if (const error why = arm(chosen)) return why;
    for (std::size_t i = pages.index(range.begin); i < pages.index(range.end); ++i) {
      pages[i] = page_record{};
      if (chosen.contains(pages.address(i))) {
        mark_protected(pages[i]);
        pages[i].state |= page_record::fresh;
      } else {
        pages[i].set_level(first_hot_level);
      }
    }
    last_new_ += static_cast<std::int64_t>(chosen.bytes() / kernel::page_size());
    return {};
  }
  // The range was unprotected without a fault, which says nothing about its pages.
  static void opened(history& pages, address_range range) {
    const address_range part = range.intersection(pages.range());
    for (std::size_t i = pages.index(part.begin); i < pages.index(part.end); ++i) {
      page_record& page = pages[i];
      if ((page.state & page_record::unprotected) != 0) continue;
      page.state = static_cast<std::uint8_t>(page.state | page_record::unprotected);
      page.count = 0;
    }
  }

 private:
  static constexpr std::size_t waits = 256;
  static constexpr std::size_t ahead = 8;     // runs: lone pages' records lie far apart, out of the caches
  static constexpr std::size_t sampled = 8;   // one of so many
  static constexpr std::int64_t enough = 16;  // pages, to judge others by

  static std::span<const address_range> runs_in(address_range range, std::span<const address_range> runs) {
    const auto first = std::partition_point(runs.begin(), runs.end(),
                                            [&](const address_range& run) { return run.end <= range.begin; });
    const auto last = std::partition_point(first, runs.end(),
                                           [&](const address_range& run) { return run.begin < range.end; });
    return {first, last};
  }

  // To protect a page that will be written in the next cycle costs its price, and its rent after all.
  [[nodiscard]] bool new_pages_are_hot() const {
    return new_tried_ >= enough &&
           new_written_ * (costs_.price() + costs_.rent()) > new_tried_ * costs_.rent();
  }

  void mark_protected(page_record& page) const {
    page.state = static_cast<std::uint8_t>(page.state & ~(page_record::unprotected | page_record::found));
    page.count = static_cast<std::uint8_t>(cycle_);
  }

  // What this cycle tells about a page that is now unprotected.
  void learn(page_record& page) {
    const unsigned level = page.level();
    if ((page.state & page_record::unprotected) == 0) {
      // It took a fault. The stamp is modulo 256, so a page that was clean for longer may pass for one that
      // was not; the bound does not mind.
      const auto clean = static_cast<std::uint8_t>(static_cast<std::uint8_t>(cycle_) - page.count - 1);
      if ((page.state & page_record::fresh) != 0 && clean == 0) ++new_written_;
      if (clean < haste_) {
        page.set_level(std::min(level + 1, highest_level));
      } else if (level >= first_hot_level || (level == 1 && clean >= patience_)) {
        page.set_level(level - 1);
      }
      page.count = 0;
    } else if ((page.state & page_record::found) != 0) {
      if (level < first_hot_level && page.count < haste_) page.set_level(level + 1);
      page.count = 0;
    } else if (page.count < waits - 1) {
      ++page.count;
    }
    page.state = static_cast<std::uint8_t>((page.state | page_record::unprotected) &
                                           ~(page_record::found | page_record::fresh));
  }

  // The planner's way back.
  template <class Arm>
  error carry_out(history& pages, address_range within, std::span<const address_range> written, Arm arm) {
    bool inside = planner_.last_is_inside();
    std::size_t first = 0;  // of the range that is open,
    std::size_t end = 0;    // which is empty when there is none
    for (std::size_t r = written.size(); r-- > 0;) {
      const address_range part = written[r].intersection(within);
      for (std::size_t i = pages.index(part.end); i-- > pages.index(part.begin);) {
        page_record& page = pages[i];
        if (inside) {
          if (first < end && !planner_.bridges(static_cast<std::int64_t>(first - i - 1))) {
            if (const error why = arm({pages.address(first), pages.address(end)})) return why;
            end = first = 0;
          }
          if (first == end) end = i + 1;
          first = i;
          mark_protected(page);
        } else if (first < end) {
          if (const error why = arm({pages.address(first), pages.address(end)})) return why;
          end = first = 0;
        }
        inside = arm_planner::before_is_inside(page.state & arm_planner::step_mask, inside);
      }
    }
    return first < end ? arm(address_range{pages.address(first), pages.address(end)}) : error{};
  }

  cost_model costs_;
  arm_planner planner_;
  std::int64_t patience_;
  std::int64_t haste_;
  std::uint64_t cycle_ = 0;
  std::int64_t new_tried_ = 0;    // new pages that were protected,
  std::int64_t new_written_ = 0;  // and of those how many were written in their first cycle
  std::int64_t last_new_ = 0;     // since the last cycle, of which it is not known yet
  std::int64_t value_[highest_level + 1][waits];
};
static_assert(arming_policy<cost_policy>);

GCBARRIER_NAMESPACE_END

#endif
