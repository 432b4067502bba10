// What one pointer store costs with a barrier.
#ifndef GCBENCH_MEASURE_STORE_COST_HPP
#define GCBENCH_MEASURE_STORE_COST_HPP

#include <cstddef>
#include <gcbarrier/barrier/write_barrier.hpp>

#include "arena_memory.hpp"
#include "interleaved.hpp"

namespace gcbench {

// Nanoseconds a store, in a loop of nothing but stores, which go to another cache line each time and all hit
// the first-level cache: other work, or a cache miss, would hide part of what a barrier adds. Not inlined, so
// that every barrier's loop is compiled by itself.
template <gcbarrier::write_barrier Barrier>
[[gnu::noinline]] double store_cost(Barrier& barrier, const arena_memory& memory) {
  constexpr std::size_t slots = 8192 / sizeof(void*);
  constexpr std::size_t stride = 13;  // odd: reaches every slot, and never twice in a row the same line
  constexpr std::size_t stores = 1 << 18;
  auto* const first = reinterpret_cast<void**>(memory.range().begin);  // NOLINT(performance-no-int-to-ptr)
  const auto store_all = [&] {
    for (std::size_t i = 0; i < stores; ++i) {
      void** slot = first + (i * stride) % slots;
      asm volatile("" : "+r"(slot));  // one at a time: no vector instruction stores through a barrier
      barrier.store(slot, first);
    }
    keep(first);
  };
  store_all();  // caches and page tables are warm
  return time_of(store_all) / static_cast<double>(stores);
}

}  // namespace gcbench

#endif
