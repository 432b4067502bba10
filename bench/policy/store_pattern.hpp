// Which pages the mutator of the policy's benchmark stores to.
#ifndef GCBENCH_POLICY_STORE_PATTERN_HPP
#define GCBENCH_POLICY_STORE_PATTERN_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <heap/workload/random.hpp>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

#include "measure/old_space.hpp"

namespace gcbench {

// What the mutator stores in one cycle, and where.
struct store_pattern {
  const char* name;
  std::size_t stores;
  double part_of_pages = 1;  // only these are stored to
  bool together = false;     // they lie side by side; else they are drawn from all
  std::size_t young_every = 16;
};

// The stores of one cycle after another.
class stores_by_pattern {
 public:
  stores_by_pattern(std::size_t bytes, const store_pattern& pattern) : pattern_(pattern) {
    gcheap::workload::random_numbers random(7);
    std::vector<std::uint32_t> pages(bytes / arena_memory::page_size());
    std::iota(pages.begin(), pages.end(), std::uint32_t{0});
    const auto chosen = static_cast<std::size_t>(pattern.part_of_pages * static_cast<double>(pages.size()));
    for (std::size_t i = 0; i < chosen && !pattern.together; ++i) {
      std::swap(pages[i], pages[i + random.below(pages.size() - i)]);
    }
    const std::size_t words = arena_memory::page_size() / sizeof(void*);
    // For a hundred cycles where that is little, so that they are not all alike.
    slots_.resize(pattern.stores + std::max(pattern.stores, std::size_t{1} << 20));
    for (std::uint32_t& slot : slots_) {
      slot = static_cast<std::uint32_t>(pages[random.below(chosen)] * words + random.below(words));
    }
  }

  cycle_stores of_cycle(std::size_t cycle) const {
    const std::size_t begin = cycle * pattern_.stores % (slots_.size() - pattern_.stores + 1);
    return {std::span(slots_).subspan(begin, pattern_.stores), pattern_.young_every};
  }

 private:
  store_pattern pattern_;
  std::vector<std::uint32_t> slots_;
};

}  // namespace gcbench

#endif
