// A full collection beside the mutator: marked on another thread, finished in a short pause, swept bit by
// bit.
#ifndef GCHEAP_CONCURRENT_FULL_HPP
#define GCHEAP_CONCURRENT_FULL_HPP

#include <gcbarrier/dirty_set.hpp>
#include <gcbarrier/error.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "concurrent_marker.hpp"
#include "lazy_sweep.hpp"
#include "object.hpp"
#include "space.hpp"
#include "statistics.hpp"

namespace gcheap {

// It goes on in the pauses of the minor collections: one begins it, the first after the marker has little
// left finishes the marking, and those that follow sweep. The collector's thread, with the world stopped.
class concurrent_full {
 public:
  // `granule`: of the barrier's sets. Errors: those of concurrent_marker::start().
  static gcbarrier::result<std::unique_ptr<concurrent_full>> open(space& memory, std::size_t granule,
                                                                  statistics& counted);

  // Neither marking nor sweeping: begin() may be called.
  [[nodiscard]] bool idle() const { return !marker_->running() && !sweep_.pending(); }
  void begin(std::span<void* const> roots) { marker_->begin(roots); }

  // In each pause: the barrier's set; then, filled in, the objects that became old.
  void written(gcbarrier::dirty_set set) {
    if (!marker_->running()) return;
    for (const gcbarrier::address_range run : set) marker_->written(run);
  }
  void promoted(std::span<object* const> fresh);
  // And a large object, at any time.
  void born(object* fresh);

  // Then one of these. Whether to call finish(): the marks are complete after it, and stay for a while.
  [[nodiscard]] bool ready() { return marker_->running() && marker_->ready(); }
  void finish(std::span<void* const> roots);
  // The part of this pause: hands the sets over, or sweeps for so many bytes promoted.
  void go_on(std::size_t promoted_bytes);

  // For a full collection with the world stopped, which begins anew.
  void abandon();

  [[nodiscard]] concurrent_marker& marker() { return *marker_; }

 private:
  concurrent_full(space& memory, std::unique_ptr<concurrent_marker> marker, statistics& counted)
      : marker_(std::move(marker)), sweep_(memory), statistics_(counted) {}

  std::unique_ptr<concurrent_marker> marker_;
  lazy_sweep sweep_;
  statistics& statistics_;
};

}  // namespace gcheap

#endif
