// Where tracking begins to win: one cycle of stores and a collection, for so many stores that go to so many
// of the old space's pages. All barriers take a cycle each in every repetition, with the same stores. Names:
// crossover/LOCALITY/stores:N/ppm:N, where ppm is the part of the pages that each cycle writes, in
// millionths.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <gcbarrier/barrier/card_table.hpp>
#include <gcbarrier/barrier/field_log.hpp>
#include <gcbarrier/barrier/kernel_barrier.hpp>
#include <gcbarrier/barrier/store_buffer.hpp>
#include <gcbarrier/policy/cost_policy.hpp>
#include <heap/barriers.hpp>
#include <heap/workload/random.hpp>
#include <memory>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "measure/arena_memory.hpp"
#include "measure/interleaved.hpp"
#include "measure/old_space.hpp"
#include "measure/spread.hpp"

namespace gcbench {
namespace {

using uffd_async_cost = gcbarrier::kernel_barrier<gcbarrier::uffd_async, gcbarrier::cost_policy>;

constexpr std::size_t bytes = std::size_t{256} << 20;

enum class locality : std::uint8_t { side_by_side, scattered, moving };

const char* name_of(locality which) {
  switch (which) {
    case locality::side_by_side:
      return "side_by_side";  // the same pages in each cycle, in one piece
    case locality::scattered:
      return "scattered";  // the same pages in each cycle, drawn from all
    case locality::moving:
      return "moving";  // drawn from all, and others in the next cycle
  }
  return "";
}

// The stores of one cycle after another. Each of the cycle's pages is written, and by as many stores as any
// other; in which order, and to which words, is drawn.
class cycles {
 public:
  cycles(locality where, std::size_t stores, std::size_t pages, std::size_t pages_of_all)
      : where_(where), written_(pages), all_(pages_of_all), slots_(stores) {
    std::iota(all_.begin(), all_.end(), std::uint32_t{0});
    if (where != locality::side_by_side) shuffle(all_);
  }

  cycle_stores next() {
    const std::size_t words = arena_memory::page_size() / sizeof(void*);
    for (std::size_t i = 0; i < slots_.size(); ++i) {
      const std::uint32_t page = all_[(begin_ + i % written_) % all_.size()];
      slots_[i] = static_cast<std::uint32_t>(page * words + random_.below(words));
    }
    if (where_ == locality::moving) begin_ = (begin_ + written_) % all_.size();
    shuffle(slots_);
    return {slots_};
  }

 private:
  void shuffle(std::vector<std::uint32_t>& some) {
    for (std::size_t i = some.size(); i > 1; --i) std::swap(some[i - 1], some[random_.below(i)]);
  }

  gcheap::workload::random_numbers random_{7};
  locality where_;
  std::size_t written_;  // pages in a cycle
  std::size_t begin_ = 0;
  std::vector<std::uint32_t> all_;
  std::vector<std::uint32_t> slots_;
};

// Each barrier's memory, filled once: that takes longer than most measurements.
std::shared_ptr<const arena_memory> memory_number(std::size_t number) {
  static std::vector<std::shared_ptr<const arena_memory>> all;
  while (all.size() <= number) all.push_back(old_space_memory(bytes, page_kind::small));
  return all[number];
}

struct measured_barrier {
  std::string name;
  std::size_t number;
};

// The fastest of the software barriers, by the medians, which is not known before.
const measured_barrier& best_of(const std::vector<measured_barrier>& barriers, const interleaved& taken) {
  return *std::min_element(barriers.begin(), barriers.end(), [&](const auto& a, const auto& b) {
    return spread_of(taken.taken(a.number)).median < spread_of(taken.taken(b.number)).median;
  });
}

void measure(benchmark::State& state, locality where) {
  const auto stores = static_cast<std::size_t>(state.range(0));
  const std::size_t pages_of_all = memory_number(0)->pages();
  const std::size_t pages =
      std::max<std::size_t>(static_cast<std::size_t>(state.range(1)) * pages_of_all / 1'000'000, 1);
  cycles drawn(where, stores, pages, pages_of_all);
  cycle_stores now = drawn.next();

  interleaved all;
  std::size_t memories = 0;
  std::vector<measured_barrier> barriers;
  const auto add = [&]<class Barrier>(Barrier*) {
    auto space = std::make_shared<old_space<Barrier>>(memory_number(memories++));
    barriers.push_back({std::string(Barrier::name), all.add([space, &now] { return space->cycle(now); })});
  };
  add(static_cast<gcbarrier::card_table*>(nullptr));
  add(static_cast<gcbarrier::conditional_card_table*>(nullptr));
  add(static_cast<gcbarrier::store_buffer*>(nullptr));
  add(static_cast<gcbarrier::field_log*>(nullptr));
  const std::vector<measured_barrier> software = barriers;
  add(static_cast<gcheap::uffd_async_barrier*>(nullptr));
  add(static_cast<uffd_async_cost*>(nullptr));

  for (auto _ : state) {
    // Until the policy has learnt what there is to learn.
    for (int i = 0; i < 8; ++i) {
      now = drawn.next();
      all.repeat_once();
    }
    all.repeat(0, 0, {});
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(200);
    for (int i = 0; i < 5 || (i < 15 && std::chrono::steady_clock::now() < end); ++i) {
      now = drawn.next();
      all.repeat_once();
    }
  }
  const measured_barrier& best = best_of(software, all);
  for (const measured_barrier& one : barriers) {
    state.counters[one.name + "_ms"] = spread_of(all.taken(one.number)).median / 1e6;
    const spread ratio =
        of_medians([](double a, double b) { return a / b; }, all.taken(one.number), all.taken(best.number));
    state.counters[one.name + "_ratio"] = ratio.median;
    state.counters[one.name + "_low"] = ratio.low;
    state.counters[one.name + "_high"] = ratio.high;
  }
  state.counters["pages"] = static_cast<double>(pages);
  state.counters["pages_of_all"] = static_cast<double>(pages_of_all);
  state.SetLabel(best.name);
}

void crossover(benchmark::State& state, locality where) {
  try {
    measure(state, where);
  } catch (const std::exception& problem) {
    state.SkipWithError(problem.what());
  }
}

// Two of each decade. A page needs a store to be written, so the map is a triangle.
void cases(benchmark::internal::Benchmark* benchmark) {
  benchmark->ArgNames({"stores", "ppm"});
  for (const std::int64_t stores : {1'000, 3'000, 10'000, 30'000, 100'000, 300'000, 1'000'000, 3'000'000}) {
    for (const std::int64_t ppm : {100, 300, 1'000, 3'000, 10'000, 30'000, 100'000, 300'000, 1'000'000}) {
      const auto pages = static_cast<std::int64_t>(bytes / arena_memory::page_size()) * ppm / 1'000'000;
      if (pages <= stores) benchmark->Args({stores, ppm});
    }
  }
  // Where tracking should win if it does anywhere. These take longest.
  for (const std::int64_t ppm : {100, 1'000, 10'000, 100'000}) benchmark->Args({10'000'000, ppm});
  benchmark->Iterations(1)->Unit(benchmark::kMillisecond);
}

const bool registered = [] {
  for (const locality where : {locality::side_by_side, locality::scattered, locality::moving}) {
    cases(
        benchmark::RegisterBenchmark((std::string("crossover/") + name_of(where)).c_str(), crossover, where));
  }
  return true;
}();

}  // namespace
}  // namespace gcbench
