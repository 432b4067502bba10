// How much of the time the mutator had, in the worst window of a given length.
#ifndef GCBENCH_MEASURE_MUTATOR_UTILISATION_HPP
#define GCBENCH_MEASURE_MUTATOR_UTILISATION_HPP

#include <algorithm>
#include <cstdint>
#include <heap/statistics.hpp>
#include <vector>

namespace gcbench {

// 0 to 1: the least part of any `window` nanoseconds in [begin, end) that no pause took (Cheng and Blelloch,
// PLDI 2001). A run shorter than the window counts as the window. Pauses in the order of time, not
// overlapping.
inline double minimum_mutator_utilisation(const std::vector<gcheap::pause>& pauses, std::uint64_t begin,
                                          std::uint64_t end, std::uint64_t window) {
  window = std::min(window, end - begin);
  if (window == 0) return 1;
  // The worst window begins where a pause begins or ends where one ends: from any other it can be moved, with
  // no less of the pauses in it, until it does.
  double worst = 0;
  const auto take = [&](std::uint64_t from) {
    const std::uint64_t to = from + window;
    auto one = std::partition_point(pauses.begin(), pauses.end(),
                                    [&](const gcheap::pause& p) { return p.start + p.ns <= from; });
    std::uint64_t paused = 0;
    for (; one != pauses.end() && one->start < to; ++one) {
      paused += std::min(one->start + one->ns, to) - std::max(one->start, from);
    }
    worst = std::max(worst, static_cast<double>(paused) / static_cast<double>(window));
  };
  for (const gcheap::pause& one : pauses) {
    take(std::clamp(one.start, begin, end - window));
    const std::uint64_t over = one.start + one.ns;
    take(std::clamp(over < begin + window ? begin : over - window, begin, end - window));
  }
  return 1 - worst;
}

}  // namespace gcbench

#endif
