#include "watcher.hpp"

namespace gcheap::demo {

watcher::watcher(gcbarrier::address_range old_space, std::span<viewer* const> viewers)
    : pages_(old_space), viewers_(viewers) {}

std::uint64_t watcher::ns_since(clock::time_point start) {
  return static_cast<std::uint64_t>((clock::now() - start) / std::chrono::nanoseconds(1));
}

void watcher::found(gcbarrier::dirty_set written, std::span<void** const> slots) {
  const clock::time_point start = clock::now();
  pages_.forget_writes();
  for (const gcbarrier::address_range run : written) pages_.mark_written(run);
  for (void** const slot : slots) pages_.mark_found(slot);
  seen_.slots = slots.size();
  spent_ns_ += ns_since(start);
}

void watcher::collected(bool full, std::uint64_t pause_ns) {
  const clock::time_point start = clock::now();
  seen_.at_ns = ns_since(opened_) - spent_ns_;
  ++seen_.number;
  seen_.full = full;
  seen_.pause_ns = pause_ns;
  seen_.kernel_tells = pages_.survey();
  seen_.pages = pages_.flags();
  seen_.sum = sum_of(seen_.pages);
  for (viewer* const one : viewers_) one->show(seen_);
  spent_ns_ += ns_since(start);
}

}  // namespace gcheap::demo
