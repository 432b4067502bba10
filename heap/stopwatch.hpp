// How long something took, in nanoseconds of wall clock.
#ifndef GCHEAP_STOPWATCH_HPP
#define GCHEAP_STOPWATCH_HPP

#include <chrono>
#include <cstdint>

namespace gcheap {

inline std::uint64_t now() {
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(
                                        std::chrono::steady_clock::now().time_since_epoch())
                                        .count());
}

template <class F>
std::uint64_t timed(F f) {
  const std::uint64_t start = now();
  f();
  return now() - start;
}

}  // namespace gcheap

#endif
