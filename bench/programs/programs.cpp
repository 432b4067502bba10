// Whole programs: every workload of heap/workload on every barrier. The same collector, allocator, search and
// flags; only the barrier differs. Names: program/WORKLOAD/BARRIER/nursery_MiB:N/size%:N.
#include <benchmark/benchmark.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <gcbarrier/error.hpp>
#include <heap/barriers.hpp>
#include <heap/collector.hpp>
#include <heap/statistics.hpp>
#include <heap/workload/workloads.hpp>
#include <limits>
#include <string>
#include <vector>

#include "../measure/interleaved.hpp"
#include "../measure/spread.hpp"
#include "peak_memory.hpp"

namespace gcbench {
namespace {

std::vector<std::uint64_t> all_pauses(const gcheap::statistics& of) {
  std::vector<std::uint64_t> pauses = of.minor_pauses;
  pauses.insert(pauses.end(), of.full_pauses.begin(), of.full_pauses.end());
  return pauses;
}

void count(benchmark::UserCounters& counters, const gcheap::statistics& of, double total_ns) {
  const samples pauses = [&] {
    samples ms;
    for (const std::uint64_t ns : all_pauses(of)) ms.push_back(static_cast<double>(ns) / 1e6);
    return ms;
  }();
  const auto pause_ns = static_cast<double>(of.pause_ns());
  counters["mutator_ms"] = (total_ns - pause_ns) / 1e6;
  counters["pause_total_ms"] = pause_ns / 1e6;
  counters["pause_p50_ms"] = quantile(pauses, 0.5);
  counters["pause_p90_ms"] = quantile(pauses, 0.9);
  counters["pause_p99_ms"] = quantile(pauses, 0.99);
  counters["pause_max_ms"] = quantile(pauses, 1.0);
  counters["collections"] = static_cast<double>(of.collections());
  counters["full"] = static_cast<double>(of.full_pauses.size());
  counters["dirty_pages"] = static_cast<double>(of.dirty_pages);
  counters["searched_MiB"] = static_cast<double>(of.dirty_bytes) / (1 << 20);
  counters["written_ms"] = static_cast<double>(of.written_ns) / 1e6;
  counters["search_ms"] = static_cast<double>(of.search_ns) / 1e6;
  counters["rearm_ms"] = static_cast<double>(of.rearm_ns) / 1e6;
  counters["peak_MiB"] = peak_memory_mib();
}

template <class Workload, class Barrier>
void program(benchmark::State& state) {
  gcheap::collector_options options;
  options.nursery_bytes = static_cast<std::size_t>(state.range(0)) << 20;
  const double size = static_cast<double>(state.range(1)) / 100;
  for (auto _ : state) {
    auto heap = gcheap::collector<Barrier>::open(options, gcheap::open_barrier<Barrier>);
    if (!heap) {
      std::array<char, 300> why{};
      heap.error().describe(why.data(), why.size());
      state.SkipWithError(why.data());
      return;
    }
    reset_peak_memory();
    std::uint64_t digest = 0;
    const double ns = time_of([&] { digest = Workload::run(**heap, size); });
    state.SetIterationTime(ns / 1e9);
    count(state.counters, (*heap)->statistics(), ns);
    // A counter is a double: as much of the digest as it holds exactly.
    state.counters["digest"] = static_cast<double>(digest & ((std::uint64_t{1} << 53) - 1));
  }
}

const bool registered = [] {
  gcheap::workload::each_workload([]<class Workload>() {
    gcheap::each_barrier([]<class Barrier>() {
      const std::string name = std::string("program/") + Workload::name + '/' + std::string(Barrier::name);
      benchmark::RegisterBenchmark(name.c_str(), program<Workload, Barrier>)
          ->ArgNames({"nursery_MiB", "size%"})
          ->ArgsProduct({{4, 16}, {20, 100}})
          ->UseManualTime()
          ->Iterations(1)
          ->Unit(benchmark::kMillisecond);
    });
  });
  return true;
}();

}  // namespace
}  // namespace gcbench
