// Repeated measurements in three numbers.
#ifndef GCBENCH_MEASURE_SPREAD_HPP
#define GCBENCH_MEASURE_SPREAD_HPP

#include <algorithm>
#include <cstddef>
#include <random>
#include <utility>
#include <vector>

namespace gcbench {

using samples = std::vector<double>;

// The median, and the quartiles: the middle half of the samples lies between low and high. A virtual machine
// that is held up for a moment spoils a mean and a maximum, but not these.
struct spread {
  double low = 0;
  double median = 0;
  double high = 0;
};

// The value below which that part of the samples lies, 0 to 1; of no samples, 0.
inline double quantile(samples from, double part) {
  if (from.empty()) return 0;
  std::sort(from.begin(), from.end());
  const double at = part * static_cast<double>(from.size() - 1);
  const auto below = static_cast<std::size_t>(at);
  const std::size_t above = std::min(below + 1, from.size() - 1);
  return from[below] + (from[above] - from[below]) * (at - static_cast<double>(below));
}

// Zeros where there are no samples.
inline spread spread_of(const samples& from) {
  return {quantile(from, 0.25), quantile(from, 0.5), quantile(from, 0.75)};
}

// f of the measurements that were made in the same repetition, for each repetition.
template <class F, class... Others>
samples each_repetition(F f, const samples& first, const Others&... others) {
  const std::size_t count = std::min({first.size(), others.size()...});
  samples made;
  made.reserve(count);
  for (std::size_t i = 0; i < count; ++i) made.push_back(f(first[i], others[i]...));
  return made;
}

// f of the medians, which it is given as a vector, and between low and high where it lies with 90 %
// confidence: the 5th and 95th percentile of what it would have been with other repetitions, drawn from those
// that were made (a bootstrap). All must be from the same repetitions, so that what slowed all of them down
// in one is drawn together.
template <class F>
spread of_all_medians(F f, const std::vector<samples>& all) {
  constexpr std::size_t drawings = 400;
  std::size_t count = all.empty() ? 0 : all.front().size();
  for (const samples& one : all) count = std::min(count, one.size());
  if (count == 0) return {};
  std::mt19937 random(1);
  std::uniform_int_distribution<std::size_t> any(0, count - 1);
  std::vector<double> medians(all.size());
  samples results;
  for (std::size_t i = 0; i < drawings; ++i) {
    std::vector<std::size_t> drawn(count);
    for (std::size_t& one : drawn) one = any(random);
    for (std::size_t which = 0; which < all.size(); ++which) {
      samples picked;
      picked.reserve(count);
      for (const std::size_t at : drawn) picked.push_back(all[which][at]);
      medians[which] = spread_of(picked).median;
    }
    results.push_back(f(medians));
  }
  std::sort(results.begin(), results.end());
  for (std::size_t which = 0; which < all.size(); ++which) medians[which] = spread_of(all[which]).median;
  return {results[drawings / 20], f(medians), results[drawings - 1 - drawings / 20]};
}

// The same with an argument for each.
template <class F, class... Samples>
spread of_medians(F f, const Samples&... all) {
  const auto spread_out = [&]<std::size_t... I>(const std::vector<double>& medians,
                                                std::index_sequence<I...> /*indices*/) {
    return f(medians[I]...);
  };
  return of_all_medians(
      [&](const std::vector<double>& medians) {
        return spread_out(medians, std::index_sequence_for<Samples...>{});
      },
      {all...});
}

}  // namespace gcbench

#endif
