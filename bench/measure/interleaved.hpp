// Measures several things so that they can be compared on a machine that is never quiet.
#ifndef GCBENCH_MEASURE_INTERLEAVED_HPP
#define GCBENCH_MEASURE_INTERLEAVED_HPP

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <functional>
#include <random>
#include <utility>
#include <vector>

#include "spread.hpp"

namespace gcbench {

// Nanoseconds that f() takes.
template <class F>
double time_of(F f) {
  const auto start = std::chrono::steady_clock::now();
  f();
  return std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - start).count();
}

// Keeps the compiler from leaving out or moving what computes the value, or what wrote to memory before.
template <class T>
void keep(const T& value) {
  asm volatile("" : : "g"(value) : "memory");
}

// Runs all of its measurements once in every repetition, each time in another order: what changes on the
// machine from second to second then changes for all of them, and none always comes after the same other one
// and what that left in the caches. The orders are random, and the same in each run.
class interleaved {
 public:
  // One measurement: does what it does once, and returns what it took.
  using measurement = std::function<double()>;

  // Returns its number.
  std::size_t add(measurement one) {
    order_.push_back(all_.size());
    all_.push_back({std::move(one), {}});
    return all_.size() - 1;
  }

  void repeat_once() {
    std::shuffle(order_.begin(), order_.end(), random_);
    for (const std::size_t which : order_) {
      auto& [measure, taken] = all_[which];
      taken.push_back(measure());
    }
  }

  // Repeats until the time is used up, but no more than `most` times and no less than `least`. One more
  // before them warms up and is not counted.
  void repeat(std::size_t least, std::size_t most, std::chrono::nanoseconds time) {
    const auto end = std::chrono::steady_clock::now() + time;
    repeat_once();
    for (auto& one : all_) one.taken.clear();
    for (std::size_t i = 0; i < most; ++i) {
      if (i >= least && std::chrono::steady_clock::now() >= end) return;
      repeat_once();
    }
  }

  [[nodiscard]] const samples& taken(std::size_t number) const { return all_[number].taken; }

 private:
  struct measured {
    measurement measure;
    samples taken;
  };
  std::vector<measured> all_;
  std::vector<std::size_t> order_;
  std::mt19937 random_{1};
};

}  // namespace gcbench

#endif
