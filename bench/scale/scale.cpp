// What grows with what: cycles of stores and a collection, on old spaces of many sizes, with more and more of
// them written, and with several threads that store. Milliseconds of wall clock. Names: scale/WHAT/N.
#include <benchmark/benchmark.h>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <fstream>
#include <gcbarrier/barrier/card_table.hpp>
#include <gcbarrier/barrier/field_log.hpp>
#include <gcbarrier/barrier/store_buffer.hpp>
#include <gcbarrier/policy/cost_policy.hpp>
#include <heap/barriers.hpp>
#include <heap/workload/random.hpp>
#include <memory>
#include <numeric>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "measure/arena_memory.hpp"
#include "measure/interleaved.hpp"
#include "measure/old_space.hpp"
#include "measure/spread.hpp"

namespace gcbench {
namespace {

using uffd_async_cost = gcbarrier::kernel_barrier<gcbarrier::uffd_async, gcbarrier::cost_policy>;

// `stores` into `pages` pages drawn from all, as many to each; for each thread a part of its own.
std::vector<std::uint32_t> drawn_slots(const arena_memory& memory, std::size_t pages, std::size_t stores) {
  gcheap::workload::random_numbers random(7);
  std::vector<std::uint32_t> chosen(memory.pages());
  std::iota(chosen.begin(), chosen.end(), std::uint32_t{0});
  for (std::size_t i = 0; i < pages; ++i) {
    std::swap(chosen[i], chosen[i + random.below(chosen.size() - i)]);
  }
  const std::size_t words = arena_memory::page_size() / sizeof(void*);
  std::vector<std::uint32_t> slots(pages == 0 ? 0 : stores);
  for (std::size_t i = 0; i < slots.size(); ++i) {
    slots[i] = static_cast<std::uint32_t>(chosen[i % pages] * words + random.below(words));
  }
  for (std::size_t i = slots.size(); i > 1; --i) std::swap(slots[i - 1], slots[random.below(i)]);
  return slots;
}

// One cycle, in nanoseconds.
template <class Barrier>
double cycle(old_space<Barrier>& space, std::span<const std::uint32_t> slots, std::size_t threads) {
  return time_of([&] {
    std::vector<std::thread> mutators;
    const std::size_t part = slots.size() / threads;
    for (std::size_t i = 1; i < threads; ++i) {
      mutators.emplace_back([&space, mine = slots.subspan(i * part, part)] { space.store({mine}); });
    }
    space.store({slots.first(part)});
    for (std::thread& one : mutators) one.join();
    space.collect();
  });
}

// The old space is too large for each barrier to have one, so they take turns on the same memory; each begins
// anew in each of a few rounds, and its first cycles do not count.
class turns {
 public:
  turns(std::shared_ptr<const arena_memory> memory, std::size_t threads)
      : memory_(std::move(memory)), threads_(threads) {}

  template <class Barrier>
  void take(std::span<const std::uint32_t> slots) {
    old_space<Barrier> space(memory_);
    for (int i = 0; i < 2; ++i) (void)cycle(space, slots, threads_);
    samples& taken = taken_of(std::string(Barrier::name));
    for (int i = 0; i < 4; ++i) taken.push_back(cycle(space, slots, threads_));
  }

  void count(benchmark::UserCounters& counters) const {
    for (const auto& [name, taken] : taken_) {
      const spread ms = spread_of(taken);
      counters[name + "_ms"] = ms.median / 1e6;
      counters[name + "_ms_low"] = ms.low / 1e6;
      counters[name + "_ms_high"] = ms.high / 1e6;
    }
  }

 private:
  samples& taken_of(const std::string& name) {
    for (auto& [known, taken] : taken_) {
      if (known == name) return taken;
    }
    return taken_.emplace_back(name, samples{}).second;
  }

  std::shared_ptr<const arena_memory> memory_;
  std::size_t threads_;
  std::vector<std::pair<std::string, samples>> taken_;
};

struct shape {
  std::size_t bytes;
  page_kind kind;
  std::size_t pages;   // written in a cycle
  std::size_t stores;  // in a cycle
  std::size_t threads = 1;
};

// What the kernel says could be had without swapping; 0 where it does not say.
std::size_t available_bytes() {
  std::ifstream info("/proc/meminfo");
  std::string name;
  while (info >> name) {
    std::size_t kib = 0;
    if (name == "MemAvailable:" && info >> kib) return kib << 10;
    std::getline(info, name);
  }
  return 0;
}

void run(benchmark::State& state, const shape& one) {
  // Beside the old space there are bit maps, card tables and page tables.
  if (one.bytes + one.bytes / 8 > available_bytes()) {
    state.SkipWithError("there is not enough memory");
    return;
  }
  try {
    const auto memory = old_space_memory(one.bytes, one.kind);
    const std::vector<std::uint32_t> slots = drawn_slots(*memory, one.pages, one.stores);
    turns all(memory, one.threads);
    for (auto _ : state) {
      for (int round = 0; round < 3; ++round) {
        all.take<gcbarrier::card_table>(slots);
        all.take<gcbarrier::conditional_card_table>(slots);
        all.take<gcbarrier::store_buffer>(slots);
        all.take<gcbarrier::field_log>(slots);
        all.take<gcheap::uffd_async_barrier>(slots);
        all.take<uffd_async_cost>(slots);
        if (one.kind == page_kind::small) all.take<gcheap::mprotect_barrier>(slots);
      }
    }
    all.count(state.counters);
    state.counters["pages"] = static_cast<double>(one.pages);
    state.counters["stores"] = static_cast<double>(one.stores);
  } catch (const std::exception& problem) {
    state.SkipWithError(problem.what());
  }
}

constexpr std::size_t mebibyte = std::size_t{1} << 20;

// The same work on an old space that grows: 300 000 stores to 1000 pages.
void old_space_size(benchmark::State& state, page_kind kind) {
  run(state, {static_cast<std::size_t>(state.range(0)) * mebibyte, kind, 1000, 300'000});
}
// 16 stores to each page that is written, on 256 MiB.
void dirty(benchmark::State& state) {
  const std::size_t pages = 256 * mebibyte / 4096 * static_cast<std::size_t>(state.range(0)) / 100;
  run(state, {256 * mebibyte, page_kind::small, pages, pages * 16});
}
// Half a million stores for each thread, all threads to the same 3000 pages of 256 MiB.
void threads(benchmark::State& state) {
  const auto count = static_cast<std::size_t>(state.range(0));
  run(state, {256 * mebibyte, page_kind::small, 3000, 500'000 * count, count});
}

void sizes(benchmark::internal::Benchmark* benchmark) {
  benchmark->ArgName("MiB")->RangeMultiplier(2)->Range(64, 16384);
  benchmark->Iterations(1)->Unit(benchmark::kMillisecond);
}

BENCHMARK_CAPTURE(old_space_size, small_pages, page_kind::small)
    ->Name("scale/old_space/small_pages")
    ->Apply(sizes);
BENCHMARK_CAPTURE(old_space_size, huge_pages, page_kind::huge)
    ->Name("scale/old_space/huge_pages")
    ->Apply(sizes);
BENCHMARK(dirty)
    ->Name("scale/dirty")
    ->ArgName("percent")
    ->Arg(0)
    ->Arg(1)
    ->Arg(3)
    ->Arg(10)
    ->Arg(30)
    ->Arg(60)
    ->Arg(100)
    ->Iterations(1)
    ->Unit(benchmark::kMillisecond);
BENCHMARK(threads)
    ->Name("scale/threads")
    ->ArgName("threads")
    ->DenseRange(1, 4)
    ->Iterations(1)
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace gcbench
