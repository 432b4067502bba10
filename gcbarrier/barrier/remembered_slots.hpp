// The remembered set of a barrier that knows slots: what it lists, and what it cannot list.
#ifndef GCBARRIER_BARRIER_REMEMBERED_SLOTS_HPP
#define GCBARRIER_BARRIER_REMEMBERED_SLOTS_HPP

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "../address_range.hpp"
#include "../dirty_set.hpp"
#include "../error.hpp"
#include "../kernel/mapped_array.hpp"
#include "../run_list.hpp"
#include "../version.hpp"
#include "arena_list.hpp"
#include "slot_log.hpp"

GCBARRIER_NAMESPACE_BEGIN

// All that such a barrier is but its store. append() and retain() from any thread, the rest with the world
// stopped.
class remembered_slots {
 public:
  error add_arena(address_range range) {
    if (arenas_.overlaps(range)) return {"add_arena", EEXIST, range, "part of it is an arena already"};
    if (const error why = arenas_.add(range)) return why;
    return added_.add(range);
  }

  // Calls f(slot) with each slot listed or retained, in no order and some of them twice.
  template <class F>
  void each_written_slot(F f) const {
    written_.each(f);
  }
  // Where slots may have been written that are not listed: new memory; everything when the list ran full.
  [[nodiscard]] dirty_set unlisted() const {
    return dirty_set(complete() ? added_.arenas() : arenas_.arenas());
  }

  // Both, in order and merged, which takes sorting. Everything where there is no memory for that.
  dirty_set written() {
    runs_.clear();
    std::size_t count = 0;
    written_.each([&](void**) { ++count; });
    if (sorted_.reserve(count) || runs_.reserve(count + unlisted().run_count())) {
      return dirty_set(arenas_.arenas());
    }
    sorted_.truncate(0);
    written_.each([&](void** slot) { sorted_.push_back(reinterpret_cast<std::uintptr_t>(slot)); });
    std::sort(sorted_.begin(), sorted_.end());
    const std::uintptr_t* next = sorted_.begin();
    const auto add_slots_up_to = [&](std::uintptr_t end) {
      for (; next != sorted_.end() && *next < end; ++next) runs_.unite({*next, *next + sizeof(void*)});
    };
    for (const address_range run : unlisted()) {
      add_slots_up_to(run.begin);
      runs_.unite(run);
    }
    add_slots_up_to(~std::uintptr_t{0});
    return dirty_set(runs_.runs());
  }

  void retain(address_range range) {
    const address_range words = range.widened_to(sizeof(void*));
    for (std::uintptr_t at = words.begin; at < words.end; at += sizeof(void*)) {
      retained_.append(reinterpret_cast<void**>(at));  // NOLINT(performance-no-int-to-ptr)
    }
  }

  void rearm() {
    written_.clear();
    std::swap(written_, retained_);
    added_.clear();
  }

  [[nodiscard]] std::size_t granule() const { return sizeof(void*); }

 protected:
  remembered_slots() = default;

  // `young` is where young objects lie. Room for one slot in 64 bytes of the heap: when more are appended in
  // one cycle, searching the heap costs no more than going through the list would, and that is what the
  // answer then is.
  error reserve(address_range heap, address_range young) {
    young_begin_ = young.begin;
    young_bytes_ = young.bytes();
    const std::size_t slots = heap.bytes() / 64;
    if (const error why = written_.reserve(slots)) return why;
    if (const error why = retained_.reserve(slots)) return why;
    if (const error why = added_.add(heap)) return why;  // so that it never has to grow in a cycle
    added_.clear();
    return {};
  }

  [[nodiscard]] bool is_young(const void* p) const {
    return reinterpret_cast<std::uintptr_t>(p) - young_begin_ <
           young_bytes_;  // unsigned: one test for both ends
  }
  void append(void** slot) { written_.append(slot); }
  [[nodiscard]] bool complete() const { return written_.complete(); }

 private:
  std::uintptr_t young_begin_ = 0;
  std::size_t young_bytes_ = 0;
  slot_log written_;   // in this cycle, and retained in the last
  slot_log retained_;  // for the next
  arena_list arenas_;
  arena_list added_;  // since rearm()
  kernel::mapped_array<std::uintptr_t> sorted_;
  run_list runs_;
};

GCBARRIER_NAMESPACE_END

#endif
