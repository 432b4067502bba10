// What write_tracker's calls cost beside the bare PAGEMAP_SCAN ioctl that they are made of: on the same
// memory, with the same pages written, one after the other in every iteration. collect() reads and protects
// again, peek() reads, arm() protects again. Names: CALL/PAGES/MiB:N/dirty%:N/one_by_one:N.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <gcbarrier/gcbarrier.hpp>
#include <initializer_list>
#include <vector>

#include "measure/arena_memory.hpp"
#include "measure/bare_scan.hpp"
#include "measure/interleaved.hpp"
#include "measure/spread.hpp"

namespace gcbench {
namespace {

enum class call : std::uint8_t { collect, peek, arm };

// Which pages an iteration writes: `percent` of them, evenly over the arena, in runs of 64 or one by one.
// One by one there are at most half of them, every other one.
std::vector<std::size_t> pages_to_write(std::size_t pages, std::size_t percent, bool one_by_one) {
  std::vector<std::size_t> chosen;
  if (percent == 0) return chosen;
  const std::size_t run = one_by_one ? 1 : 64;
  const std::size_t stride = std::max(run * 100 / percent, one_by_one ? std::size_t{2} : run);
  for (std::size_t at = 0; at < pages; at += stride) {
    for (std::size_t i = at; i < std::min(at + run, pages); ++i) chosen.push_back(i);
  }
  return chosen;
}

void tracker_call(benchmark::State& state, call which, page_kind kind) {
  const arena_memory memory(static_cast<std::size_t>(state.range(0)) << 20, kind);
  const auto written =
      pages_to_write(memory.pages(), static_cast<std::size_t>(state.range(1)), state.range(2) != 0);
  auto tracker = gcbarrier::write_tracker::open({.mechanism = gcbarrier::mechanism_kind::uffd_async});
  if (!tracker || tracker->add_arena(memory.range())) {
    state.SkipWithError("uffd_async does not work here: see gcbarrier-doctor");
    return;
  }
  tracker->arm();
  bare_scan bare(memory.range());

  // A first write to a protected huge page splits it. So these are un-protected whole, which leaves them
  // huge, and reads as written.
  const auto write = [&] {
    if (kind == page_kind::huge && !written.empty()) {
      (void)tracker->expect_writes(memory.range());
      return;
    }
    for (const std::size_t page : written) memory.write(page);
  };
  std::size_t tracked_runs = 0;
  int bare_runs = 0;
  interleaved both;
  const auto with_tracker = both.add([&] {
    write();
    return time_of([&] {
      if (which == call::arm) {
        tracker->arm();
      } else {
        tracked_runs = (which == call::peek ? tracker->peek() : tracker->collect()).run_count();
      }
    });
  });
  const auto without = both.add([&] {
    write();
    return time_of([&] { bare_runs = which == call::peek ? bare.read() : bare.read_and_protect(); });
  });
  both.repeat_once();  // warms up
  for (auto _ : state) {
    both.repeat_once();
    state.SetIterationTime(both.taken(with_tracker).back() / 1e9);
  }
  if (bare_runs < 0 || (which != call::arm && static_cast<std::size_t>(bare_runs) != tracked_runs)) {
    state.SkipWithError("the two do not agree on what was written");
    return;
  }
  const auto ratio = of_medians([](double tracked, double plain) { return tracked / plain; },
                                both.taken(with_tracker), both.taken(without));
  state.counters["ratio"] = ratio.median;
  state.counters["ratio_low"] = ratio.low;
  state.counters["ratio_high"] = ratio.high;
  state.counters["us"] = spread_of(both.taken(with_tracker)).median / 1e3;
  state.counters["bare_us"] = spread_of(both.taken(without)).median / 1e3;
  state.counters["ns_per_page"] =
      spread_of(both.taken(with_tracker)).median / static_cast<double>(memory.pages());
  state.counters["runs"] = bare_runs;
}

// What of the small pages is written. collect() is where the overhead matters, so it has more sizes.
void add_cases(benchmark::internal::Benchmark* benchmark, std::initializer_list<std::int64_t> sizes) {
  benchmark->ArgNames({"MiB", "dirty%", "one_by_one"});
  for (const std::int64_t size : sizes) {
    for (const std::int64_t percent : {0, 1, 10, 100}) {
      benchmark->Args({size, percent, 0});
      if (percent != 0) benchmark->Args({size, percent, 1});
    }
  }
  benchmark->UseManualTime()->Iterations(31)->Unit(benchmark::kMicrosecond);
}
void cases(benchmark::internal::Benchmark* benchmark) {
  add_cases(benchmark, {64, 256});
}
void collect_cases(benchmark::internal::Benchmark* benchmark) {
  add_cases(benchmark, {16, 64, 256, 1024});
}

// All or nothing. On clean ones the ioctl has next to nothing to do, and the fixed cost of a call shows most.
void huge_cases(benchmark::internal::Benchmark* benchmark) {
  benchmark->ArgNames({"MiB", "dirty%", "one_by_one"});
  for (const std::int64_t size : {16, 64, 256, 1024}) {
    for (const std::int64_t percent : {0, 100}) benchmark->Args({size, percent, 0});
  }
  benchmark->UseManualTime()->Iterations(31)->Unit(benchmark::kMicrosecond);
}

void collect(benchmark::State& state, page_kind kind) {
  tracker_call(state, call::collect, kind);
}
void peek(benchmark::State& state, page_kind kind) {
  tracker_call(state, call::peek, kind);
}
void arm(benchmark::State& state, page_kind kind) {
  tracker_call(state, call::arm, kind);
}

BENCHMARK_CAPTURE(collect, small_pages, page_kind::small)->Apply(collect_cases);
BENCHMARK_CAPTURE(collect, huge_pages, page_kind::huge)->Apply(huge_cases);
BENCHMARK_CAPTURE(peek, small_pages, page_kind::small)->Apply(cases);
BENCHMARK_CAPTURE(peek, huge_pages, page_kind::huge)->Apply(huge_cases);
BENCHMARK_CAPTURE(arm, small_pages, page_kind::small)->Apply(cases);
BENCHMARK_CAPTURE(arm, huge_pages, page_kind::huge)->Apply(huge_cases);

}  // namespace
}  // namespace gcbench
