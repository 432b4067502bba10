// What is behind a gcb_tracker.
#ifndef GCBARRIER_C_TRACKER_HPP
#define GCBARRIER_C_TRACKER_HPP

#include <utility>
#include <variant>

#include "../policy/cost_policy.hpp"
#include "../write_tracker.hpp"

struct gcb_tracker {
  std::variant<gcbarrier::write_tracker, gcbarrier::chosen_write_tracker<gcbarrier::cost_policy>> either;

  // f(tracker), whichever it is.
  template <class F>
  decltype(auto) visit(F f) {
    return std::visit(std::move(f), either);
  }
  template <class F>
  decltype(auto) visit(F f) const {
    return std::visit(std::move(f), either);
  }
};

#endif
