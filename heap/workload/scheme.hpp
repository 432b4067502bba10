// An interpreter as a mutator: three programs of a small Scheme. All of an interpreter's stores go through
// one place, which is where a runtime would have its barrier, and frames, numbers and argument lists die
// young by the million.
#ifndef GCHEAP_WORKLOAD_SCHEME_HPP
#define GCHEAP_WORKLOAD_SCHEME_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "digest.hpp"
#include "scheme/interpreter.hpp"
#include "scheme/programs.hpp"

namespace gcheap::workload {

template <class Heap>
std::uint64_t run_scheme(Heap& heap, std::string_view program, const std::string& call) {
  scheme::interpreter<Heap> lisp(heap);
  digest sum;
  sum.add(static_cast<std::uint64_t>(lisp.run(std::string(program) + call)));
  return sum.value();
}

// Allocates and never mutates.
struct scheme_functional {
  static constexpr const char* name = "scheme_functional";
  // `size` 1: 8 queens, 4 times.
  template <class Heap>
  static std::uint64_t run(Heap& heap, double size) {
    const int boards = std::max(1, static_cast<int>(size * 4));
    std::string calls;
    for (int i = 0; i < boards; ++i) calls += size < 0.2 ? "(queens 6)" : "(queens 8)";
    return run_scheme(heap, scheme::functional, calls);
  }
};

// Mutates lists of numbers, and variables that closures share.
struct scheme_mutating {
  static constexpr const char* name = "scheme_mutating";
  // `size` 1: 40,000 numbers.
  template <class Heap>
  static std::uint64_t run(Heap& heap, double size) {
    return run_scheme(heap, scheme::mutating,
                      "(mutate " + std::to_string(static_cast<int>(size * 40000) + 16) + ")");
  }
};

// Fills large vectors.
struct scheme_arrays {
  static constexpr const char* name = "scheme_arrays";
  // `size` 1: primes up to 100,000, and 12 generations.
  template <class Heap>
  static std::uint64_t run(Heap& heap, double size) {
    return run_scheme(heap, scheme::arrays,
                      "(arrays " + std::to_string(static_cast<int>(size * 100000) + 8000) + ")");
  }
};

}  // namespace gcheap::workload

#endif
