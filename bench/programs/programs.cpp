// Whole programs: every workload of heap/workload on every barrier, and on none, which searches all of the
// old space at each collection and whose mutator is what others are compared with. The same collector,
// allocator, search and flags; only the barrier differs. Names:
// program/WORKLOAD/BARRIER/nursery_MiB:N/size%:N.
//
// program_stores/WORKLOAD/... is tracking with every pointer store counted: only its counters mean anything.
#include <benchmark/benchmark.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <gcbarrier/error.hpp>
#include <heap/barriers.hpp>
#include <heap/collector.hpp>
#include <heap/shared_heap.hpp>
#include <heap/statistics.hpp>
#include <heap/workload/workloads.hpp>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "../measure/mutator_utilisation.hpp"
#include "../measure/spread.hpp"
#include "peak_memory.hpp"

namespace gcbench {
namespace {

// The stores that a software barrier would have been paid for, young ones included. The whole barrier is
// another one, so that no other has the counting in it.
class counted : public gcheap::uffd_async_barrier {
 public:
  static constexpr std::string_view name = "counted";
  static gcbarrier::result<counted> open() {
    auto opened = gcheap::uffd_async_barrier::open();
    if (!opened) return opened.error();
    return counted(std::move(*opened));
  }
  void store(void** slot, void* value) {
    ++stores_;
    gcheap::uffd_async_barrier::store(slot, value);
  }
  [[nodiscard]] std::uint64_t stores() const { return stores_; }

 private:
  explicit counted(gcheap::uffd_async_barrier barrier) : gcheap::uffd_async_barrier(std::move(barrier)) {}
  std::uint64_t stores_ = 0;
};

struct run_time {
  std::uint64_t begin;
  std::uint64_t end;
};

std::uint64_t now() {
  return static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch() /
                                    std::chrono::nanoseconds(1));
}

void count(benchmark::UserCounters& counters, const gcheap::statistics& of, run_time run) {
  const samples pauses = [&] {
    samples ms;
    for (const gcheap::pause& one : of.pauses) ms.push_back(static_cast<double>(one.ns) / 1e6);
    return ms;
  }();
  const auto pause_ns = static_cast<double>(of.pause_ns());
  counters["mutator_ms"] = (static_cast<double>(run.end - run.begin) - pause_ns) / 1e6;
  for (const std::uint64_t ms : {10, 100, 1000}) {
    counters["mmu_" + std::to_string(ms) + "ms"] =
        minimum_mutator_utilisation(of.pauses, run.begin, run.end, ms * 1'000'000);
  }
  counters["pause_total_ms"] = pause_ns / 1e6;
  counters["pause_p50_ms"] = quantile(pauses, 0.5);
  counters["pause_p90_ms"] = quantile(pauses, 0.9);
  counters["pause_p99_ms"] = quantile(pauses, 0.99);
  counters["pause_max_ms"] = quantile(pauses, 1.0);
  counters["collections"] = static_cast<double>(of.collections());
  counters["full"] = static_cast<double>(of.full_pauses().size());
  counters["dirty_pages"] = static_cast<double>(of.dirty_pages);
  counters["searched_MiB"] = static_cast<double>(of.dirty_bytes) / (1 << 20);
  counters["written_ms"] = static_cast<double>(of.written_ns) / 1e6;
  counters["search_ms"] = static_cast<double>(of.search_ns) / 1e6;
  counters["rearm_ms"] = static_cast<double>(of.rearm_ns) / 1e6;
  counters["peak_MiB"] = peak_memory_mib();
}

// Calls f(collector&) when the workload has ended.
template <class Barrier, class F>
void look_at(gcheap::collector<Barrier>& heap, F f) {
  f(heap);
}
template <class Barrier, class F>
void look_at(gcheap::shared_heap<Barrier>& heap, F f) {
  heap.stopped(f);
}

template <class Workload, class Barrier, template <gcbarrier::write_barrier> class Heap>
void program(benchmark::State& state) {
  gcheap::collector_options options;
  options.nursery_bytes = static_cast<std::size_t>(state.range(0)) << 20;
  const double size = static_cast<double>(state.range(1)) / 100;
  for (auto _ : state) {
    auto heap = Heap<Barrier>::open(options, gcheap::open_barrier<Barrier>);
    if (!heap) {
      std::array<char, 300> why{};
      heap.error().describe(why.data(), why.size());
      state.SkipWithError(why.data());
      return;
    }
    reset_peak_memory();
    std::uint64_t digest = 0;
    run_time run{now(), 0};
    digest = Workload::run(**heap, size);
    run.end = now();
    state.SetIterationTime(static_cast<double>(run.end - run.begin) / 1e9);
    look_at(**heap, [&](auto& collector) {
      count(state.counters, collector.statistics(), run);
      if constexpr (std::is_same_v<Barrier, counted>) {
        state.counters["stores"] = static_cast<double>(collector.barrier().stores());
      }
    });
    // A counter is a double: as much of the digest as it holds exactly.
    state.counters["digest"] = static_cast<double>(digest & ((std::uint64_t{1} << 53) - 1));
  }
}

// A small heap, most of which the caches hold, and a large one.
void add(const std::string& name, void (*run)(benchmark::State&)) {
  benchmark::RegisterBenchmark(name.c_str(), run)
      ->ArgNames({"nursery_MiB", "size%"})
      ->Args({4, 20})
      ->Args({16, 100})
      ->UseManualTime()
      ->Iterations(1)
      ->Unit(benchmark::kMillisecond);
}

template <class Workload, template <gcbarrier::write_barrier> class Heap>
void add_with_each_barrier() {
  const std::string workload = Workload::name;
  const auto with = [&workload]<class Barrier>() {
    add("program/" + workload + '/' + std::string(Barrier::name), program<Workload, Barrier, Heap>);
  };
  gcheap::each_barrier(with);
  with.template operator()<gcbarrier::no_barrier>();
}

const bool registered = [] {
  gcheap::workload::each_workload([]<class Workload>() {
    add_with_each_barrier<Workload, gcheap::collector>();
    add("program_stores/" + std::string(Workload::name), program<Workload, counted, gcheap::collector>);
  });
  gcheap::workload::each_threaded_workload(
      []<class Workload>() { add_with_each_barrier<Workload, gcheap::shared_heap>(); });
  return true;
}();

}  // namespace
}  // namespace gcbench
