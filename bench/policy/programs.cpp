// Whole programs with the cost policy, with plain tracking and with each software barrier, a run of each in
// every iteration, in processor time: a heap of each is opened, runs the program, and is closed again.
// Names: suite/WORKLOAD, and suite/geometric_mean of those that ran before it.
//
// Counters: milliseconds by barrier, and the policy's time relative to plain tracking and to the software
// barrier that was fastest with this program, with 90 % confidence between low and high. The geometric means
// are relative to plain tracking, but for to_software: the policy relative to the best single software
// barrier.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <gcbarrier/error.hpp>
#include <heap/barriers.hpp>
#include <heap/collector.hpp>
#include <heap/workload/workloads.hpp>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "measure/interleaved.hpp"
#include "measure/processor_time.hpp"
#include "measure/spread.hpp"

namespace gcbench {
namespace {

// The policy first, then plain tracking, then what they are compared with.
template <class F>
void each_compared(F f) {
  f.template operator()<gcheap::uffd_cost_barrier>();
  f.template operator()<gcheap::uffd_async_barrier>();
  f.template operator()<gcbarrier::card_table>();
  f.template operator()<gcbarrier::conditional_card_table>();
  f.template operator()<gcbarrier::store_buffer>();
  f.template operator()<gcbarrier::field_log>();
}
constexpr std::size_t policy = 0;
constexpr std::size_t plain = 1;
constexpr std::size_t first_software = 2;

template <class Workload, class Barrier>
double run(std::uint64_t& digest) {
  gcheap::collector_options options;
  options.nursery_bytes = std::size_t{4} << 20;
  auto heap = gcheap::collector<Barrier>::open(options, gcheap::open_barrier<Barrier>);
  if (!heap) {
    char why[300];
    heap.error().describe(why, sizeof why);
    throw std::runtime_error(why);
  }
  return processor_time_of([&] { digest = Workload::run(**heap, 0.2); });
}

// What each barrier took, in the order of each_compared: one per workload so far.
std::vector<std::vector<samples>> workloads;
std::vector<std::string> names;

void add_ratio(benchmark::State& state, const std::string& name, const spread& ratio) {
  state.counters[name] = ratio.median;
  state.counters[name + "_low"] = ratio.low;
  state.counters[name + "_high"] = ratio.high;
}
void add_ratio(benchmark::State& state, const std::string& name, const samples& ours, const samples& theirs) {
  add_ratio(state, name, of_medians([](double a, double b) { return a / b; }, ours, theirs));
}

template <class Workload>
void suite(benchmark::State& state) {
  interleaved all;
  names.clear();
  std::vector<std::uint64_t> digests(8);
  each_compared([&]<class Barrier>() {
    std::uint64_t& digest = digests.at(names.size());
    all.add([&digest] { return run<Workload, Barrier>(digest); });
    names.emplace_back(Barrier::name);
  });
  all.repeat(0, 0, {});
  for (auto _ : state) {
    all.repeat_once();
    state.SetIterationTime(all.taken(policy).back() / 1e9);
  }
  std::size_t best = first_software;
  const auto median = [&](std::size_t which) { return spread_of(all.taken(which)).median; };
  std::vector<samples>& taken = workloads.emplace_back();
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (digests[i] != digests[0]) throw std::runtime_error("the digests do not agree");
    state.counters[names[i] + "_ms"] = median(i) / 1e6;
    taken.push_back(all.taken(i));
    if (i >= first_software && median(i) < median(best)) best = i;
  }
  add_ratio(state, "to_plain", all.taken(policy), all.taken(plain));
  add_ratio(state, "to_software", all.taken(policy), all.taken(best));
}

void geometric_mean(benchmark::State& state) {
  for (auto _ : state) {
  }
  // Pairs of a barrier and another one, workload by workload.
  const auto mean = [](std::size_t ours, std::size_t theirs) {
    std::vector<samples> pairs;
    for (const std::vector<samples>& taken : workloads) {
      pairs.push_back(taken[ours]);
      pairs.push_back(taken[theirs]);
    }
    return of_all_medians(
        [](const std::vector<double>& medians) {
          double sum = 0;
          for (std::size_t i = 0; i < medians.size(); i += 2) sum += std::log(medians[i] / medians[i + 1]);
          return std::exp(2 * sum / static_cast<double>(medians.size()));
        },
        pairs);
  };
  if (workloads.empty()) return;
  std::size_t best = first_software;
  std::vector<double> to_plain;
  for (std::size_t i = 0; i < names.size(); ++i) {
    const spread ratio = mean(i, plain);
    add_ratio(state, names[i], ratio);
    to_plain.push_back(ratio.median);
    if (i >= first_software && to_plain[i] < to_plain[best]) best = i;
  }
  add_ratio(state, "to_software", mean(policy, best));
}

const bool registered = [] {
  gcheap::workload::each_workload([]<class Workload>() {
    benchmark::RegisterBenchmark((std::string("suite/") + Workload::name).c_str(), suite<Workload>)
        ->UseManualTime()
        ->Iterations(21)
        ->Unit(benchmark::kMillisecond);
  });
  benchmark::RegisterBenchmark("suite/geometric_mean", geometric_mean)->Iterations(1);
  return true;
}();

}  // namespace
}  // namespace gcbench
