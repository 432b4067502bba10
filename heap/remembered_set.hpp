// The old slots that point into the nursery, as a barrier tells of them: its dirty memory searched, its lists
// taken, and both checked where that is asked for.
#ifndef GCHEAP_REMEMBERED_SET_HPP
#define GCHEAP_REMEMBERED_SET_HPP

#include <gcbarrier/address_range.hpp>
#include <gcbarrier/barrier/write_barrier.hpp>
#include <gcbarrier/dirty_set.hpp>
#include <gcbarrier/kernel/system_calls.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "mutated_types.hpp"
#include "object.hpp"
#include "search.hpp"
#include "space.hpp"
#include "statistics.hpp"
#include "stopwatch.hpp"
#include "verify.hpp"

namespace gcheap {

// With the mutator stopped. Keeps its capacity from cycle to cycle.
template <gcbarrier::write_barrier Barrier>
class remembered_set {
 public:
  remembered_set(Barrier& barrier, const space& memory, statistics& counted, bool verify)
      : barrier_(barrier), space_(memory), statistics_(counted), verify_(verify) {}

  // At the beginning of a collection. Returns what the barrier says was written, but for the slots that it
  // lists.
  gcbarrier::dirty_set find() {
    gcbarrier::dirty_set dirty;
    slots_.clear();
    if constexpr (gcbarrier::slot_barrier<Barrier>) {
      statistics_.search_ns += timed([&] { take_listed_slots(); });
      statistics_.dirty_bytes += slots_.size() * sizeof(void*);
      dirty = barrier_.unlisted();
    } else {
      statistics_.written_ns += timed([&] { dirty = barrier_.written(); });
    }
    statistics_.search_ns += timed([&] {
      for (const gcbarrier::address_range run : dirty) search_run(run);
    });
    count_dirty(dirty);
    if (verify_) sort_slots();
    statistics_.remembered_slots += slots_.size();
    if (verify_) statistics_.verify_ns += timed([&] { verify(); });
    return dirty;
  }

  [[nodiscard]] std::span<void** const> slots() const { return slots_; }

  // After a sweep: forgets the slots that do not lie in objects.
  void forget_dead(std::vector<void**>& slots) const {
    std::erase_if(slots, [this](void** slot) {
      const object* const holder = space_.map.find(slot);
      return holder == nullptr || space_.is_dead(holder) || !is_slot(holder, slot);
    });
  }
  void assign(std::span<void** const> slots) { slots_.assign(slots.begin(), slots.end()); }

  // Those of these slots that are old will be found by the next collection too.
  void retain(std::span<void** const> slots) {
    for (void** const slot : slots) {
      if (!space_.old->range().contains(slot)) continue;
      barrier_.retain(gcbarrier::address_range(slot, sizeof(void*)).widened_to(barrier_.granule()));
      ++statistics_.retained_slots;
    }
  }

 private:
  void take_listed_slots() requires(gcbarrier::slot_barrier<Barrier>) {
    barrier_.each_written_slot([this](void** slot) {
      if (space_.young.contains(*slot)) slots_.push_back(slot);
    });
  }

  // A search finds slots in address order and once, a list may not.
  void sort_slots() {
    if constexpr (gcbarrier::slot_barrier<Barrier>) {
      std::sort(slots_.begin(), slots_.end());
      slots_.erase(std::unique(slots_.begin(), slots_.end()), slots_.end());
    }
  }

  void search_run(gcbarrier::address_range run) {
    object* holder = nullptr;  // of the last hit, which is often that of the next
    std::uintptr_t holder_end = 0;
    std::uintptr_t told_end = 0;  // of the last page in which the barrier was told of a find
    search(find_, run, space_.young.range(), [&](void** slot) {
      const auto at = reinterpret_cast<std::uintptr_t>(slot);
      if (at >= holder_end) {
        holder = space_.map.find(slot);
        if (holder == nullptr || space_.is_dead(holder)) return;
        holder_end = reinterpret_cast<std::uintptr_t>(holder) + bytes_of(holder);
        if (mutated_types* const mutated = space_.old->mutated()) mutated->found(holder->kind());
      }
      if (!is_slot(holder, slot)) return;
      slots_.push_back(slot);
      if constexpr (requires { barrier_.found_young(run); }) {
        if (at < told_end) return;
        const auto page = gcbarrier::address_range(slot, 1).widened_to(barrier_.granule());
        barrier_.found_young(page);
        told_end = page.end;
      }
    });
  }

  void count_dirty(gcbarrier::dirty_set dirty) {
    std::uintptr_t counted = 0;
    for (const gcbarrier::address_range run : dirty) {
      gcbarrier::address_range pages = run.widened_to(page_bytes_);
      if (pages.begin < counted) pages.begin = counted;
      counted = pages.end;
      statistics_.dirty_pages += pages.bytes() / page_bytes_;
      statistics_.dirty_bytes += run.bytes();
      ++statistics_.dirty_runs;
    }
  }

  // A missed slot is counted, and remembered after all: the program goes on, and the report has its number.
  void verify() {
    std::vector<void**> missed;
    statistics_.verified_slots += find_missed(space_, slots_, [&](void** slot) { missed.push_back(slot); });
    ++statistics_.verified_collections;
    statistics_.missed_slots += missed.size();
    slots_.insert(slots_.end(), missed.begin(), missed.end());
  }

  Barrier& barrier_;
  const space& space_;
  statistics& statistics_;
  bool verify_;
  std::vector<void**> slots_;  // sorted for the verification
  search_function find_ = best_search().find;
  std::size_t page_bytes_ = gcbarrier::kernel::page_size();
};

}  // namespace gcheap

#endif
