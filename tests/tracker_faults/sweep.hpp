// Leads a tracker's life again and again, each time with another failure, and collects the broken promises.
#ifndef GCBARRIER_TESTS_TRACKER_FAULTS_SWEEP_HPP
#define GCBARRIER_TESTS_TRACKER_FAULTS_SWEEP_HPP

#include <cstddef>
#include <cstdint>
#include <functional>
#include <random>
#include <string>
#include <support/faulty_calls.hpp>
#include <vector>

#include "life_cycle.hpp"

struct sweep_outcome {
  std::size_t lives = 0;
  std::size_t broken = 0;
  std::string first;  // of the broken promises, with what to fail to see it again
};

// Makes a life's options with a kernel: the real one, or a fake that begins anew.
using kernel_maker = std::function<life_options()>;
inline life_options real_kernel() {
  return {};
}

template <class Mechanism, class Policy = gcbarrier::protect_everything>
void live(const support::faulty_calls::choice& choose, const kernel_maker& kernel, bool exact,
          const std::string& name, sweep_outcome& outcome) {
  bool calm = false;
  life_options options = kernel();
  support::faulty_calls faulty(
      [&](std::size_t position, support::call_name call) { return calm ? nullptr : choose(position, call); },
      options.calls);
  options.calls = faulty.calls();
  options.calm = [&calm] { calm = true; };
  options.exact = exact;
  const std::string violation = life_cycle<Mechanism, Policy>(options).run();
  ++outcome.lives;
  if (violation.empty()) return;
  if (outcome.broken++ == 0) outcome.first = name + ": " + violation;
}

// One failure a life, in every way at every position; ends early at the first broken promise if asked to.
template <class Mechanism, class Policy = gcbarrier::protect_everything>
sweep_outcome sweep_single_faults(const kernel_maker& kernel, bool exact, bool first_only = false) {
  sweep_outcome outcome;
  std::vector<support::call_name> life;
  life.reserve(4096);
  live<Mechanism, Policy>(
      [&life](std::size_t, support::call_name call) {
        if (life.size() < life.capacity()) life.push_back(call);
        return static_cast<const support::fault*>(nullptr);
      },
      kernel, exact, "no failure", outcome);
  for (std::size_t position = 0; position < life.size(); ++position) {
    for (const support::fault& chosen : support::faults_of(life[position])) {
      if (first_only && outcome.broken > 0) return outcome;
      live<Mechanism, Policy>(
          [&](std::size_t at, support::call_name) { return at == position ? &chosen : nullptr; }, kernel,
          exact, "call " + std::to_string(position) + ", " + life[position].text() + ", " + chosen.text(),
          outcome);
    }
  }
  return outcome;
}

// Many failures a life: each call goes wrong with the given probability, by seed. Never two mprotects in a
// row: a process that can no longer make its heap writable dies, and must.
template <class Mechanism, class Policy = gcbarrier::protect_everything>
sweep_outcome sweep_random_faults(const kernel_maker& kernel, bool exact, std::size_t lives,
                                  double probability) {
  sweep_outcome outcome;
  for (std::uint64_t seed = 1; seed <= lives; ++seed) {
    std::mt19937_64 random(seed);
    std::bernoulli_distribution strikes(probability);
    support::fault chosen;
    bool spared = false;
    live<Mechanism, Policy>(
        [&](std::size_t, support::call_name call) -> const support::fault* {
          const bool protects = call.number == SYS_mprotect;
          if (protects && std::exchange(spared, false)) return nullptr;
          if (!strikes(random)) return nullptr;
          spared |= protects;
          const support::fault_list all = support::faults_of(call);
          chosen = all[random() % all.size()];
          return &chosen;
        },
        kernel, exact, "seed " + std::to_string(seed), outcome);
  }
  return outcome;
}

#endif
