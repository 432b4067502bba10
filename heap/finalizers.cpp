#include "finalizers.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace gcheap {

void finalizers::run(roots& list) {
  if (running_) return;
  struct guard {  // the function may throw
    bool& flag;
    ~guard() { flag = false; }
  } const while_running{running_ = true};
  while (!ready_.empty()) {
    const entry due = std::move(ready_.front());
    const root<object> kept(list, static_cast<object*>(due.target));
    ready_.pop_front();
    due.call(kept.get());
  }
}

void finalizers::update(const young_space& young, evacuation& survivors) {
  const std::size_t before = ready_.size();
  take(young_, [&](const entry& e) {
    return young.contains(e.target) && survivors.place_of(static_cast<object*>(e.target)) == nullptr;
  });
  sort_ready_from(before);
  for (entry& e : young_) survivors.update(e.slot());
  each_ready([&](void** slot) { survivors.update(slot); });
  survivors.drain();
  const auto first_old = std::stable_partition(young_.begin(), young_.end(),
                                               [&](const entry& e) { return young.contains(e.target); });
  std::move(first_old, young_.end(), std::back_inserter(old_));
  young_.erase(first_old, young_.end());
}

void finalizers::sort_ready_from(std::size_t first) {
  std::sort(ready_.begin() + static_cast<std::ptrdiff_t>(first), ready_.end(),
            [](const entry& a, const entry& b) { return a.order < b.order; });
}

}  // namespace gcheap
