// An old space without a heap around it: pointer stores as the mutator, a search of what was written as the
// collector.
#ifndef GCBENCH_MEASURE_OLD_SPACE_HPP
#define GCBENCH_MEASURE_OLD_SPACE_HPP

#include <time.h>

#include <cstddef>
#include <cstdint>
#include <gcbarrier/address_range.hpp>
#include <gcbarrier/barrier/write_barrier.hpp>
#include <heap/barriers.hpp>
#include <heap/search.hpp>
#include <memory>
#include <span>
#include <stdexcept>
#include <utility>

#include "arena_memory.hpp"
#include "interleaved.hpp"

namespace gcbench {

// Memory for an old space, and addresses for a nursery beside it, in which nobody allocates.
inline std::shared_ptr<const arena_memory> old_space_memory(std::size_t bytes, page_kind kind) {
  return std::make_shared<const arena_memory>(bytes, kind, std::size_t{8} << 20);
}

// Where a cycle's stores go, in words from the beginning of the old space: drawn beforehand, as to draw it
// costs as much as to store. One store in `young_every` is of a pointer into the nursery, which the search
// finds; 0: none, so that the search never finds anything.
struct cycle_stores {
  std::span<const std::uint32_t> slots;
  std::size_t young_every = 16;
};

template <gcbarrier::write_barrier Barrier>
class old_space {
 public:
  // Made by old_space_memory(). It may be used by one old space after another: as a cycle leaves it, no word
  // points into the nursery.
  explicit old_space(std::shared_ptr<const arena_memory> memory)
      : memory_(std::move(memory)), barrier_(opened(*memory_)) {
    if (const gcbarrier::error why = barrier_.add_arena(memory_->range())) fail(why);
    barrier_.rearm();
  }

  // Stores, then a collection. Nanoseconds of this thread's processor time, in which a machine that is busy
  // with other things shows less than in the clock's; faults and system calls are in it.
  double cycle(const cycle_stores& stores) {
    const double start = processor_time();
    store(stores);
    collect();
    return processor_time() - start;
  }

  // The mutator's part of a cycle alone; from several threads at once, too.
  void store(const cycle_stores& stores) {
    auto* const first = reinterpret_cast<void**>(memory_->range().begin);
    void* const old = first;
    void* const young = reinterpret_cast<void*>(memory_->beside().begin);
    std::size_t next_young = stores.young_every == 0 ? stores.slots.size() : 0;
    for (std::size_t i = 0; i < stores.slots.size(); ++i) {
      const bool is_young = i == next_young;
      if (is_young) next_young += stores.young_every;
      barrier_.store(first + stores.slots[i], is_young ? young : old);
    }
    keep(first);
  }

  // The collector's part.
  void collect() {
    searched_ = 0;
    if constexpr (gcbarrier::slot_barrier<Barrier>) {
      barrier_.each_written_slot([this](void** slot) {
        if (memory_->beside().contains(*slot)) promote(slot);
        searched_ += sizeof(void*);
      });
      search(barrier_.unlisted());
    } else {
      search(barrier_.written());
    }
    barrier_.rearm();
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
  static Barrier opened(const arena_memory& memory) {
    auto made = gcheap::open_barrier<Barrier>({memory.range().begin, memory.beside().end}, memory.beside());
    if (!made) fail(made.error());
    return std::move(*made);
  }
  [[noreturn]] static void fail(const gcbarrier::error& why) {
    char text[256];
    why.describe(text, sizeof text);
    throw std::runtime_error(text);
  }

  // Makes it an old pointer, as a collector does that promotes all it finds.
  void promote(void** slot) { *slot = reinterpret_cast<void*>(memory_->range().begin); }

  void search(gcbarrier::dirty_set dirty) {
    for (const gcbarrier::address_range run : dirty) {
      std::uintptr_t told = 0;
      gcheap::search(find_, run, memory_->beside(), [&](void** slot) {
        promote(slot);
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

  std::shared_ptr<const arena_memory> memory_;
  Barrier barrier_;
  gcheap::search_function find_ = gcheap::best_search().find;
  std::size_t searched_ = 0;
};

}  // namespace gcbench

#endif
