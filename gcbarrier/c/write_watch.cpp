// Windows' write watch over a tracker: what is taken from it and not handed out is retained.
#include "../write_watch.h"

#include <cerrno>

#include "../gcbarrier.hpp"
#include "tracker.hpp"

namespace {

using gcbarrier::address_range;
using gcbarrier::dirty_set;

bool watched(const gcb_tracker* tracker, address_range region) {
  return !region.empty() && tracker->visit([&](auto& t) { return t.tracks(region); });
}

// Keeps what a set has outside the range for the next one. A set can be wider than what was asked for.
void put_back(gcb_tracker* tracker, const dirty_set& set, address_range handed_out) {
  tracker->visit([&](auto& t) {
    for (const address_range run : set.between(0, handed_out.begin)) t.retain(run);
    for (const address_range run : set.between(handed_out.end, ~std::uintptr_t{0})) t.retain(run);
  });
}

dirty_set collect(gcb_tracker* tracker, address_range region) {
  return tracker->visit([&](auto& t) { return t.collect(region); });
}
dirty_set peek(gcb_tracker* tracker, address_range region) {
  return tracker->visit([&](auto& t) { return t.peek(region); });
}

void reset(gcb_tracker* tracker, address_range region) {
  put_back(tracker, collect(tracker, region), region);
}

}  // namespace

extern "C" {

int gcb_watch_writes(gcb_tracker* tracker, void* base, size_t bytes, gcb_error* why) {
  const int failed = gcb_add_arena(tracker, base, bytes, why);
  if (failed == 0) reset(tracker, {base, bytes});
  return failed;
}

int gcb_get_write_watch(gcb_tracker* tracker, uint32_t flags, void* base, size_t bytes, void** addresses,
                        uintptr_t* count, uint32_t* granularity) {
  if (addresses == nullptr || count == nullptr || granularity == nullptr) return EINVAL;
  const std::size_t page = gcbarrier::kernel::page_size();
  const address_range region = address_range(base, bytes).widened_to(page);
  if ((flags & ~GCB_WRITE_WATCH_RESET) != 0 || *count == 0 || !watched(tracker, region)) return EINVAL;

  const bool resetting = (flags & GCB_WRITE_WATCH_RESET) != 0;
  const dirty_set written = resetting ? collect(tracker, region) : peek(tracker, region);
  const std::uintptr_t room = *count;
  std::uintptr_t found = 0;
  std::uintptr_t reached = region.end;  // before this, everything written was handed out
  for (const address_range run : written.between(region.begin, region.end)) {
    std::uintptr_t at = run.begin;
    for (; at < run.end && found < room; at += page) addresses[found++] = reinterpret_cast<void*>(at);
    if (found < room) continue;
    reached = at;
    break;
  }
  if (resetting) put_back(tracker, written, {region.begin, reached});
  *count = found;
  *granularity = static_cast<uint32_t>(page);
  return 0;
}

int gcb_reset_write_watch(gcb_tracker* tracker, void* base, size_t bytes) {
  const address_range region = address_range(base, bytes).widened_to(gcbarrier::kernel::page_size());
  if (!watched(tracker, region)) return EINVAL;
  reset(tracker, region);
  return 0;
}

}  // extern "C"
