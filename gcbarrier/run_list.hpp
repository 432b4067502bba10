// The growing list of runs that a mechanism fills and a dirty_set shows.
#ifndef GCBARRIER_RUN_LIST_HPP
#define GCBARRIER_RUN_LIST_HPP

#include <algorithm>
#include <cstddef>
#include <span>

#include "address_range.hpp"
#include "error.hpp"
#include "kernel/mapped_array.hpp"
#include "version.hpp"

GCBARRIER_NAMESPACE_BEGIN

// Runs in address order. Capacity is reserved for the worst case (every other page) when arenas are added, so
// appending never fails and never allocates.
class run_list {
 public:
  run_list() = default;
  explicit run_list(kernel::system_calls calls) : runs_(calls) {}

  error reserve(std::size_t runs) { return runs_.reserve(runs); }
  void clear() { runs_.truncate(0); }

  // Adds a run that begins at or after the end of the last one; merges it where they touch.
  void append(address_range run) {
    if (run.empty()) return;
    if (!runs_.empty() && runs_.back().end == run.begin) {
      runs_.back().end = run.end;
    } else {
      runs_.push_back(run);
    }
  }

  // The same for a run that may overlap the last one, but begins no earlier than it.
  void unite(address_range run) {
    if (!runs_.empty() && run.begin <= runs_.back().end) {
      runs_.back().end = std::max(runs_.back().end, run.end);
    } else {
      append(run);
    }
  }

  [[nodiscard]] std::span<const address_range> runs() const { return runs_.items(); }

 private:
  kernel::mapped_array<address_range> runs_;
};

GCBARRIER_NAMESPACE_END

#endif
