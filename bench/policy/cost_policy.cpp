// What the cost policy gains over protecting everything, and over software cards: whole cycles of stores,
// reading the set, searching it and arming, on 256 MiB of old space. All barriers take a cycle each in every
// iteration.
//
// Counters: each barrier's milliseconds a cycle, those of a cycle whose written pages are known beforehand,
// and the policy's time relative to plain tracking and to cards, with 90 % confidence between low and high.
// Names: policy/PATTERN.
#include <benchmark/benchmark.h>

#include <cstddef>
#include <gcbarrier/barrier/card_table.hpp>
#include <gcbarrier/barrier/kernel_barrier.hpp>
#include <gcbarrier/policy/cost_policy.hpp>
#include <gcbarrier/run_list.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "measure/interleaved.hpp"
#include "measure/old_space.hpp"
#include "measure/spread.hpp"
#include "store_pattern.hpp"

namespace gcbench {
namespace {

using plain = gcbarrier::kernel_barrier<gcbarrier::uffd_async>;
using by_cost = gcbarrier::kernel_barrier<gcbarrier::uffd_async, gcbarrier::cost_policy>;

constexpr std::size_t bytes = std::size_t{256} << 20;

// Is told what is written, so that nothing has to be remembered: what no barrier can be faster than.
class told {
 public:
  static constexpr std::string_view name = "told";
  void store(void** slot, void* value) { *slot = value; }
  gcbarrier::error add_arena(gcbarrier::address_range range) { return all_.reserve(range.bytes() / 4096); }
  gcbarrier::dirty_set written() { return gcbarrier::dirty_set(all_.runs()); }
  void retain(gcbarrier::address_range /*range*/) {}
  void rearm() {}
  [[nodiscard]] std::size_t granule() const { return 4096; }
  void tell(gcbarrier::dirty_set written) {
    for (const gcbarrier::address_range run : written) all_.append(run);
  }

 private:
  gcbarrier::run_list all_;
};

// `plain` and `cards` are what the project wants the ratios to be at most; none: only shown.
struct target {
  store_pattern stores;
  std::optional<double> plain = std::nullopt;
  std::optional<double> cards = std::nullopt;
};
constexpr std::size_t million = 1'000'000;
const target targets[] = {
    {{"hot", million, 0.05}, 0.65, 0.75},
    {{"dense", million}, 0.35, 0.75},
    {{"sparse", 10'000}, 1.05},
    {{"clean", 0}, 1.02},
    // The hot pages side by side, as segregation would have them.
    {{"hot_together", million, 0.05, true}, 0.65, 0.75},
    // Stores of old pointers: the search never finds anything, so the policy has to find out by trying.
    {{"hot_old", million, 0.05, false, 0}},
    {{"dense_old", million, 1, false, 0}},
    {{"sparse_old", 10'000, 1, false, 0}},
    {{"few_old", 1'000, 1, false, 0}},
};

void add_ratio(benchmark::State& state, const std::string& name, const samples& ours, const samples& theirs,
               std::optional<double> wanted) {
  const spread ratio = of_medians([](double a, double b) { return a / b; }, ours, theirs);
  state.counters[name] = ratio.median;
  state.counters[name + "_low"] = ratio.low;
  state.counters[name + "_high"] = ratio.high;
  if (wanted) state.counters[name + "_target"] = *wanted;
}

void policy(benchmark::State& state, const target& one) {
  const auto memory = [] { return old_space_memory(bytes, page_kind::small); };
  old_space<by_cost> ours(memory());
  old_space<plain> tracked(memory());
  old_space<gcbarrier::card_table> cards(memory());
  old_space<gcbarrier::conditional_card_table> conditional(memory());
  old_space<told> floor(memory());
  const stores_by_pattern stores(bytes, one.stores);
  interleaved all;
  const auto add = [&](auto& space) {
    return all.add([&, cycle = std::size_t{0}]() mutable { return space.cycle(stores.of_cycle(cycle++)); });
  };
  const auto with_policy = add(ours);
  const auto without = add(tracked);
  const auto with_cards = add(cards);
  const auto with_conditional = add(conditional);
  // Until the policy has learnt what there is to learn.
  for (std::size_t i = 0; i < 20; ++i) (void)ours.cycle(stores.of_cycle(i));
  tracked.store(stores.of_cycle(0));
  floor.barrier().tell(tracked.barrier().written());
  const auto with_nothing = add(floor);
  all.repeat(0, 0, {});

  const auto calls_before = ours.barrier().tracker().counters().system_calls;
  for (auto _ : state) {
    all.repeat_once();
    state.SetIterationTime(all.taken(with_policy).back() / 1e9);
  }
  const auto calls = ours.barrier().tracker().counters().system_calls - calls_before;
  const auto milliseconds = [&](std::size_t which) { return spread_of(all.taken(which)).median / 1e6; };
  const auto better =
      milliseconds(with_conditional) < milliseconds(with_cards) ? with_conditional : with_cards;
  state.counters["calls"] = static_cast<double>(calls) / static_cast<double>(state.iterations());
  state.counters["searched_MiB"] = static_cast<double>(ours.searched()) / (1 << 20);
  state.counters["plain_ms"] = milliseconds(without);
  state.counters["card_ms"] = milliseconds(with_cards);
  state.counters["card_conditional_ms"] = milliseconds(with_conditional);
  state.counters["policy_ms"] = milliseconds(with_policy);
  state.counters["floor_ms"] = milliseconds(with_nothing);
  add_ratio(state, "to_plain", all.taken(with_policy), all.taken(without), one.plain);
  add_ratio(state, "to_cards", all.taken(with_policy), all.taken(better), one.cards);
}

const bool registered = [] {
  for (const target& one : targets) {
    benchmark::RegisterBenchmark((std::string("policy/") + one.stores.name).c_str(), policy, one)
        ->UseManualTime()
        ->Iterations(21)
        ->Unit(benchmark::kMillisecond);
  }
  return true;
}();

}  // namespace
}  // namespace gcbench
