// What a pointer store costs with each barrier, while nothing else happens: no fault, no collection. Names:
// store/PATTERN/BARRIER.
#include <benchmark/benchmark.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <heap/barriers.hpp>
#include <heap/workload/random.hpp>
#include <string>
#include <vector>

#include "measure/arena_memory.hpp"
#include "measure/interleaved.hpp"

namespace gcbench {
namespace {

enum class pattern : std::uint8_t { hot, in_order, scattered };
constexpr std::array patterns{pattern::hot, pattern::in_order, pattern::scattered};

const char* name_of(pattern which) {
  switch (which) {
    case pattern::hot:
      return "hot";  // 4 KiB, over and over
    case pattern::in_order:
      return "in_order";  // word after word through 64 MiB
    case pattern::scattered:
      return "scattered";  // anywhere in 64 MiB
  }
  return "";
}

constexpr std::size_t stores = std::size_t{1} << 20;

std::vector<void**> slots_of(pattern which, gcbarrier::address_range memory) {
  gcheap::workload::random_numbers random(1);
  auto* const first = reinterpret_cast<void**>(memory.begin);  // NOLINT(performance-no-int-to-ptr)
  const std::size_t words = memory.bytes() / sizeof(void*);
  std::vector<void**> slots(stores);
  for (std::size_t i = 0; i < stores; ++i) {
    const std::size_t at = which == pattern::hot        ? i % 512
                           : which == pattern::in_order ? i * (words / stores)
                                                        : random.below(words);
    slots[i] = first + at;
  }
  return slots;
}

template <class Barrier>
void store(benchmark::State& state, pattern which) {
  const arena_memory memory(std::size_t{64} << 20, page_kind::small);
  auto barrier = gcheap::open_barrier<Barrier>(memory.range());
  if (!barrier || barrier->add_arena(memory.range())) {
    state.SkipWithError("it does not work here: see gcbarrier-doctor");
    return;
  }
  const std::vector<void**> slots = slots_of(which, memory.range());
  std::uintptr_t target = 0;
  void* value = &target;
  for (auto _ : state) {
    for (void** const slot : slots) barrier->store(slot, value);
    keep(value);
  }
  state.counters["ns_per_store"] =
      benchmark::Counter(static_cast<double>(stores) * 1e-9,
                         benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}

const bool registered = [] {
  for (const pattern which : patterns) {
    gcheap::each_barrier([which]<class Barrier>() {
      const std::string name = std::string("store/") + name_of(which) + '/' + std::string(Barrier::name);
      benchmark::RegisterBenchmark(name.c_str(), store<Barrier>, which)
          ->Unit(benchmark::kMicrosecond)
          ->Iterations(64);
    });
  }
  return true;
}();

}  // namespace
}  // namespace gcbench
