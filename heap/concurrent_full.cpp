#include "concurrent_full.hpp"

#include <algorithm>

#include "stopwatch.hpp"

namespace gcheap {
namespace {

// What a pause sweeps: at least so much of the old space, and so many times what the pause promoted, which
// bounds by how much the heap grows while it waits for the sweep.
constexpr std::size_t least_swept = std::size_t{1} << 20;
constexpr std::size_t swept_per_promoted = 16;

}  // namespace

gcbarrier::result<std::unique_ptr<concurrent_full>> concurrent_full::open(space& memory, std::size_t granule,
                                                                          statistics& counted) {
  auto marker = concurrent_marker::start(memory, granule);
  if (!marker) return marker.error();
  return std::unique_ptr<concurrent_full>(new concurrent_full(memory, std::move(*marker), counted));
}

void concurrent_full::promoted(std::span<object* const> fresh) {
  for (object* const o : fresh) {
    if (marker_->running()) marker_->promoted(o);
    if (sweep_.pending()) sweep_.born(o);
  }
}

void concurrent_full::born(object* fresh) {
  if (marker_->running()) marker_->born(fresh);
  if (sweep_.pending()) sweep_.born(fresh);
}

void concurrent_full::finish(std::span<void* const> roots) {
  statistics_.final_mark_ns += timed([&] { marker_->finish(roots); });
  sweep_.begin();
  ++statistics_.concurrent_marks;
  const concurrent_marker::counters& last = marker_->last();
  statistics_.concurrent_mark_ns += last.mark_ns;
  statistics_.concurrent_rounds += last.rounds;
  statistics_.scanned_again_bytes += last.written_bytes;
  statistics_.final_scanned_bytes += last.rest_bytes;
}

void concurrent_full::go_on(std::size_t promoted_bytes) {
  if (marker_->running()) {
    marker_->hand_over();
  } else if (sweep_.pending()) {
    statistics_.sweep_ns += timed([&] {
      statistics_.swept_bytes += sweep_.step(std::max(least_swept, swept_per_promoted * promoted_bytes));
    });
  }
}

void concurrent_full::abandon() {
  if (marker_->running()) {
    marker_->abandon();
    ++statistics_.abandoned_marks;
  }
  sweep_.abandon();
}

}  // namespace gcheap
