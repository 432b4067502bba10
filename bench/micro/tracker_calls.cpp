// What write_tracker::collect() costs beside the bare PAGEMAP_SCAN ioctl that it is made of: on the same
// memory, with the same pages written, one after the other in every iteration.
//
// The bare loop is the best that a program can do by itself: one vector, allocated before and large enough
// for any answer, so that one system call is always enough. It checks for nothing.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <gcbarrier/gcbarrier.hpp>
#include <gcbarrier/kernel/uapi.hpp>
#include <string>
#include <vector>

#include "measure/arena_memory.hpp"
#include "measure/interleaved.hpp"
#include "measure/spread.hpp"

namespace gcbench {
namespace {

namespace uapi = gcbarrier::kernel::uapi;

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

class bare_scan {
 public:
  explicit bare_scan(gcbarrier::address_range range)
      : pagemap_(::open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC)),
        regions_(range.bytes() / arena_memory::page_size() / 2 + 2) {
    argument_.size = sizeof argument_;
    argument_.flags = uapi::scan_wp_matching | uapi::scan_check_wpasync;
    argument_.start = range.begin;
    argument_.end = range.end;
    argument_.vec = reinterpret_cast<std::uintptr_t>(regions_.data());
    argument_.vec_len = regions_.size();
    argument_.category_mask = argument_.return_mask = uapi::page_is_written;
  }
  bare_scan(const bare_scan&) = delete;
  bare_scan& operator=(const bare_scan&) = delete;
  ~bare_scan() { ::close(pagemap_); }

  // How many regions were written, or a negative number.
  int collect() { return ::ioctl(pagemap_, uapi::ioctl_pagemap_scan, &argument_); }

 private:
  int pagemap_;
  std::vector<uapi::page_region> regions_;
  uapi::pm_scan_arg argument_{};
};

void collect_overhead(benchmark::State& state, page_kind kind) {
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

  std::size_t tracked_runs = 0;
  int bare_runs = 0;
  interleaved both;
  const auto with_tracker = both.add([&] {
    for (const std::size_t page : written) memory.write(page);
    return time_of([&] { tracked_runs = tracker->collect().run_count(); });
  });
  const auto without = both.add([&] {
    for (const std::size_t page : written) memory.write(page);
    return time_of([&] { bare_runs = bare.collect(); });
  });
  both.repeat_once();  // warms up
  for (auto _ : state) {
    both.repeat_once();
    state.SetIterationTime(both.taken(with_tracker).back() / 1e9);
  }
  if (bare_runs < 0 || static_cast<std::size_t>(bare_runs) != tracked_runs) {
    state.SkipWithError("the two do not agree on what was written");
    return;
  }
  const auto ratio = of_medians([](double tracked, double plain) { return tracked / plain; },
                                both.taken(with_tracker), both.taken(without));
  state.counters["ratio"] = ratio.median;
  state.counters["ratio_low"] = ratio.low;
  state.counters["ratio_high"] = ratio.high;
  state.counters["bare_us"] = spread_of(both.taken(without)).median / 1e3;
  state.counters["runs"] = static_cast<double>(tracked_runs);
}

void cases(benchmark::internal::Benchmark* benchmark) {
  benchmark->ArgNames({"MiB", "dirty%", "one_by_one"});
  for (const std::int64_t size : {16, 64, 256, 1024}) {
    for (const std::int64_t percent : {0, 1, 10, 100}) {
      benchmark->Args({size, percent, 0});
      if (percent != 0) benchmark->Args({size, percent, 1});
    }
  }
  benchmark->UseManualTime()->Iterations(31)->Unit(benchmark::kMicrosecond);
}

// On clean huge pages the ioctl has next to nothing to do, and the fixed cost of collect() shows most.
void clean_cases(benchmark::internal::Benchmark* benchmark) {
  benchmark->ArgNames({"MiB", "dirty%", "one_by_one"});
  for (const std::int64_t size : {16, 64, 256, 1024}) benchmark->Args({size, 0, 0});
  benchmark->UseManualTime()->Iterations(31)->Unit(benchmark::kMicrosecond);
}

BENCHMARK_CAPTURE(collect_overhead, small_pages, page_kind::small)->Apply(cases);
BENCHMARK_CAPTURE(collect_overhead, huge_pages, page_kind::huge)->Apply(clean_cases);

}  // namespace
}  // namespace gcbench
