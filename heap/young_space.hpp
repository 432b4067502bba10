// Where objects are born and spend their youth: pages of one range of addresses. Never tracked by any
// barrier.
#ifndef GCHEAP_YOUNG_SPACE_HPP
#define GCHEAP_YOUNG_SPACE_HPP

#include <gcbarrier/address_range.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "object.hpp"

namespace gcheap {

// Objects lie one behind the other in runs of pages. A collection empties all runs but the pages of objects
// that stay where they are, and copies what survives into pages that were kept free for it.
class young_space {
 public:
  static constexpr std::size_t page = 4096;

  // Whole pages. `survivor_bytes` of them, at most half of what is free, are kept for survivors.
  young_space(gcbarrier::address_range range, std::size_t survivor_bytes);

  // `bytes` of memory with anything in it, or null when it is full.
  void* allocate(std::size_t bytes) {
    if (bytes > birth_.limit - birth_.top) return allocate_in_next_run(bytes);
    return birth_.take(bytes);
  }

  [[nodiscard]] bool contains(const void* p) const { return range_.contains(p); }
  [[nodiscard]] gcbarrier::address_range range() const { return range_; }

  // During a collection. Room for a survivor, or null.
  void* allocate_survivor(std::size_t bytes) {
    while (bytes > survivors_.limit - survivors_.top) {
      if (!next_run(survivors_, reserved_)) return nullptr;
    }
    return survivors_.take(bytes);
  }
  // Whether it was copied here in this collection.
  [[nodiscard]] bool is_survivor(const void* p) const {
    return is_reserved_[(reinterpret_cast<std::uintptr_t>(p) - range_.begin) / page] != 0;
  }
  // Calls f(object*) with every survivor; it may become free memory (object.hpp).
  template <class F>
  void each_survivor(F f) const {
    for (const gcbarrier::address_range run : runs_of(survivors_)) each_object_in(run, f);
  }
  // Its end: frees all but the survivors and these, which are sorted by address.
  void end_evacuation(std::span<object* const> staying);

  // Where objects lie one behind the other: between collections.
  [[nodiscard]] std::vector<gcbarrier::address_range> runs() const;
  template <class F>
  static void each_object_in(gcbarrier::address_range run, F f) {
    for (std::uintptr_t at = run.begin; at < run.end;) {
      auto* const o = reinterpret_cast<object*>(at);  // NOLINT(performance-no-int-to-ptr)
      at += bytes_of(o);
      f(o);
    }
  }

 private:
  using run_vector = std::vector<gcbarrier::address_range>;

  // Memory handed out from the front, a run at a time.
  struct bump {
    std::uintptr_t top = 0;
    std::uintptr_t limit = 0;
    std::uintptr_t begin = 0;
    run_vector filled;  // the runs before this one, up to where each was used

    void* take(std::size_t bytes) {
      void* const fresh = reinterpret_cast<void*>(top);  // NOLINT(performance-no-int-to-ptr)
      top += bytes;
      return fresh;
    }
  };

  [[gnu::noinline]] void* allocate_in_next_run(std::size_t bytes);
  static bool next_run(bump& into, run_vector& from);
  static run_vector runs_of(const bump& used);
  void keep(std::span<object* const> staying);
  void occupy(gcbarrier::address_range bytes);
  void share_out();

  gcbarrier::address_range range_;
  std::size_t survivor_bytes_;
  bump birth_;
  bump survivors_;
  run_vector free_;                // for births; the next one last
  run_vector reserved_;            // for survivors
  run_vector kept_;                // where survivors of the last collection lie, and objects that stayed
  std::vector<char> is_reserved_;  // per page
  std::vector<char> is_occupied_;  // per page, while free memory is shared out
};

}  // namespace gcheap

#endif
