// Pseudo-random numbers, the same in every run and on every machine.
#ifndef GCHEAP_WORKLOAD_RANDOM_HPP
#define GCHEAP_WORKLOAD_RANDOM_HPP

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace gcheap::workload {

// xorshift64*.
class random_numbers {
 public:
  explicit random_numbers(std::uint64_t seed) : state_(seed * 2 + 1) {}

  std::uint64_t next() {
    state_ ^= state_ >> 12;
    state_ ^= state_ << 25;
    state_ ^= state_ >> 27;
    return state_ * 0x2545F4914F6CDD1DU;
  }
  // In [0, limit), which must fit 32 bits.
  std::size_t below(std::size_t limit) { return static_cast<std::size_t>(((next() >> 32) * limit) >> 32); }
  // In [0, 1).
  double fraction() { return static_cast<double>(next() >> 11) * 0x1p-53; }

 private:
  std::uint64_t state_;
};

// Ranks with Zipf's distribution: rank r comes with a weight of 1 / (r + 1).
class zipf_ranks {
 public:
  explicit zipf_ranks(std::size_t count) {
    sums_.reserve(count);
    double sum = 0;
    for (std::size_t rank = 0; rank < count; ++rank)
      sums_.push_back(sum += 1.0 / static_cast<double>(rank + 1));
  }
  std::size_t draw(random_numbers& random) const {
    const double wanted = random.fraction() * sums_.back();
    const auto at = std::upper_bound(sums_.begin(), sums_.end(), wanted);
    return std::min(static_cast<std::size_t>(at - sums_.begin()), sums_.size() - 1);
  }

 private:
  std::vector<double> sums_;
};

}  // namespace gcheap::workload

#endif
