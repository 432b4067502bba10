// An old space without a heap around it: pointer stores as the mutator, a search of what was written as the
// collector.
#ifndef GCBENCH_POLICY_OLD_SPACE_HPP
#define GCBENCH_POLICY_OLD_SPACE_HPP

#include <time.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <gcbarrier/address_range.hpp>
#include <gcbarrier/barrier/write_barrier.hpp>
#include <heap/barriers.hpp>
#include <heap/search.hpp>
#include <heap/workload/random.hpp>
#include <numeric>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "measure/arena_memory.hpp"
#include "measure/interleaved.hpp"

namespace gcbench {

// What the mutator stores in one cycle, and where.
struct store_pattern {
  const char* name;
  std::size_t stores;
  double part_of_pages = 1;  // only these are stored to
  bool together = false;     // they lie side by side; else they are drawn from all
  // One store in so many is of a pointer into the nursery, which the search finds; 0: none, so that the
  // search never finds anything.
  std::size_t young_every = 16;
};

// The nursery is never touched: any addresses will do that no pattern of bytes in the old space looks like.
inline constexpr gcbarrier::address_range nursery{0x7100'0000'0000, 0x7100'0080'0000};

template <gcbarrier::write_barrier Barrier>
class old_space {
 public:
  old_space(std::size_t bytes, const store_pattern& pattern)
      : memory_(bytes, page_kind::small), barrier_(opened(memory_.range())), pattern_(pattern) {
    draw_slots();
    if (const gcbarrier::error why = barrier_.add_arena(memory_.range())) fail(why);
    barrier_.rearm();
  }

  // Stores, then a collection. Nanoseconds of this thread's processor time, in which a machine that is busy
  // with other things shows less than in the clock's; faults and system calls are in it.
  double cycle() {
    const double start = processor_time();
    store();
    search();
    barrier_.rearm();
    return processor_time() - start;
  }

  // The mutator's part of a cycle alone.
  void store() {
    auto* const first = reinterpret_cast<void**>(memory_.range().begin);
    void* const old = first;
    void* const young = reinterpret_cast<void*>(nursery.begin);
    const std::size_t every = pattern_.young_every == 0 ? slots_.size() : pattern_.young_every;
    const std::size_t begin = cycles_++ * pattern_.stores % (slots_.size() - pattern_.stores + 1);
    std::size_t next_young = begin;
    for (std::size_t i = begin; i < begin + pattern_.stores; ++i) {
      const bool is_young = i == next_young && pattern_.young_every != 0;
      if (is_young) next_young += every;
      barrier_.store(first + slots_[i], is_young ? young : old);
    }
    keep(first);
  }

  [[nodiscard]] Barrier& barrier() { return barrier_; }
  // Bytes searched in the last cycle.
  [[nodiscard]] std::size_t searched() const { return searched_; }

 private:
  static double processor_time() {
    timespec now{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
  }
  static Barrier opened(gcbarrier::address_range range) {
    auto made = gcheap::open_barrier<Barrier>(range);
    if (!made) fail(made.error());
    return std::move(*made);
  }
  [[noreturn]] static void fail(const gcbarrier::error& why) {
    char text[256];
    why.describe(text, sizeof text);
    throw std::runtime_error(text);
  }

  // Where to store is drawn beforehand: to draw it costs as much as to store.
  void draw_slots() {
    gcheap::workload::random_numbers random(7);
    std::vector<std::uint32_t> pages(memory_.pages());
    std::iota(pages.begin(), pages.end(), std::uint32_t{0});
    const auto chosen =
        static_cast<std::size_t>(pattern_.part_of_pages * static_cast<double>(memory_.pages()));
    for (std::size_t i = 0; i < chosen && !pattern_.together; ++i) {
      std::swap(pages[i], pages[i + random.below(pages.size() - i)]);
    }
    const std::size_t words = arena_memory::page_size() / sizeof(void*);
    // For a hundred cycles where that is little, so that they are not all alike.
    slots_.resize(pattern_.stores + std::max(pattern_.stores, std::size_t{1} << 20));
    for (std::uint32_t& slot : slots_) {
      slot = static_cast<std::uint32_t>(pages[random.below(chosen)] * words + random.below(words));
    }
  }

  // What it finds it makes an old pointer, as a collector does that promotes all it finds.
  void search() {
    void* const promoted = reinterpret_cast<void*>(memory_.range().begin);
    searched_ = 0;
    for (const gcbarrier::address_range run : barrier_.written()) {
      std::uintptr_t told = 0;
      gcheap::search(find_, run, nursery, [&](void** slot) {
        *slot = promoted;
        if constexpr (requires { barrier_.found_young(run); }) {
          const auto at = reinterpret_cast<std::uintptr_t>(slot);
          if (at < told) return;
          const gcbarrier::address_range page =
              gcbarrier::address_range{at, at + 1}.widened_to(arena_memory::page_size());
          barrier_.found_young(page);
          told = page.end;
        }
      });
      searched_ += run.bytes();
    }
  }

  arena_memory memory_;
  Barrier barrier_;
  store_pattern pattern_;
  std::vector<std::uint32_t> slots_;  // in words from the beginning
  std::size_t cycles_ = 0;
  gcheap::search_function find_ = gcheap::best_search().find;
  std::size_t searched_ = 0;
};

}  // namespace gcbench

#endif
