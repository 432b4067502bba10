// What to protect again at the end of a collection: everything, or what a policy selects.
#ifndef GCBARRIER_POLICY_POLICY_HPP
#define GCBARRIER_POLICY_POLICY_HPP

#include <concepts>
#include <string_view>

#include "../address_range.hpp"
#include "../error.hpp"
#include "../kernel/system_calls.hpp"
#include "../mechanism/mechanism.hpp"
#include "../version.hpp"

GCBARRIER_NAMESPACE_BEGIN

// A policy for basic_write_tracker. One that selects has more: see cost_policy, the only one.
template <class P>
concept arming_policy = std::movable<P> && requires(typename P::history pages, address_range range) {
  { P::selects } -> std::convertible_to<bool>;
  { P::suffix } -> std::convertible_to<std::string_view>;  // of the barrier's name
  { pages.cover(range) } -> std::same_as<error>;           // what it knows about an arena
};

// No choice: each page that was written is protected again, in one call.
struct protect_everything {
  static constexpr bool selects = false;
  static constexpr std::string_view suffix{};
  struct history {
    explicit history(kernel::system_calls /*calls*/ = {}) {}
    static error cover(address_range /*range*/) { return {}; }
  };

  template <mechanism M>
  static protect_everything fit(M& /*mechanism*/, kernel::system_calls /*calls*/) {
    return {};
  }
};
static_assert(arming_policy<protect_everything>);

GCBARRIER_NAMESPACE_END

#endif
