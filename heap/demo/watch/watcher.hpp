// Follows one heap's collections, for the demo's viewers.
#ifndef GCHEAP_DEMO_WATCH_WATCHER_HPP
#define GCHEAP_DEMO_WATCH_WATCHER_HPP

#include <gcbarrier/address_range.hpp>
#include <gcbarrier/dirty_set.hpp>

#include <chrono>
#include <cstdint>
#include <span>

#include "../../observer.hpp"
#include "page_states.hpp"
#include "viewer.hpp"

namespace gcheap::demo {

class watcher final : public observer {
 public:
  // The viewers outlive it.
  watcher(gcbarrier::address_range old_space, std::span<viewer* const> viewers);

  void set_done(double share) { seen_.done = share; }

  void found(gcbarrier::dirty_set written, std::span<void** const> slots) override;
  void collected(bool full, std::uint64_t pause_ns, std::uint64_t observer_ns) override;

 private:
  using clock = std::chrono::steady_clock;

  page_states pages_;
  std::span<viewer* const> viewers_;
  seen_collection seen_;
  clock::time_point opened_ = clock::now();
};

}  // namespace gcheap::demo

#endif
