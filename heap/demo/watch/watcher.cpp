#include "watcher.hpp"

namespace gcheap::demo {

watcher::watcher(gcbarrier::address_range old_space, std::span<viewer* const> viewers)
    : pages_(old_space), viewers_(viewers) {}

void watcher::found(gcbarrier::dirty_set written, std::span<void** const> slots) {
  pages_.forget_writes();
  for (const gcbarrier::address_range run : written) pages_.mark_written(run);
  for (void** const slot : slots) pages_.mark_found(slot);
  seen_.slots = slots.size();
}

void watcher::collected(bool full, std::uint64_t pause_ns, std::uint64_t observer_ns) {
  const auto open_ns = static_cast<std::uint64_t>((clock::now() - opened_) / std::chrono::nanoseconds(1));
  seen_.at_ns = open_ns - observer_ns;
  ++seen_.number;
  seen_.full = full;
  seen_.pause_ns = pause_ns;
  seen_.kernel_tells = pages_.survey();
  seen_.pages = pages_.flags();
  seen_.sum = sum_of(seen_.pages);
  for (viewer* const one : viewers_) one->show(seen_);
}

}  // namespace gcheap::demo
