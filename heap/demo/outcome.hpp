// One run of the demo with one barrier.
#ifndef GCHEAP_DEMO_OUTCOME_HPP
#define GCHEAP_DEMO_OUTCOME_HPP

#include <cstddef>
#include <cstdint>
#include <string>

#include "../statistics.hpp"

namespace gcheap::demo {

struct outcome {
  enum class state : std::uint8_t {
    done,
    unavailable,  // the barrier does not work on this machine: `why`
    failed,       // it worked, and the run did not end: `why`
  };

  std::string barrier;
  state ended = state::done;
  std::string why;
  std::uint64_t digest = 0;
  std::uint64_t total_ns = 0;
  std::uint64_t words = 0;
  std::uint64_t distinct_words = 0;
  std::uint64_t queries = 0;
  std::size_t old_live_bytes = 0;
  std::size_t old_held_bytes = 0;
  gcheap::statistics statistics;

  [[nodiscard]] std::uint64_t mutator_ns() const { return total_ns - statistics.pause_ns(); }
};

}  // namespace gcheap::demo

#endif
