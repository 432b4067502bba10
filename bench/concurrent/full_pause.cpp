// What marking beside the mutator spares it: the last pause of a full collection whose marking was
// concurrent, against the pause of one with the mutator stopped, on the same heap in turns. 1 GiB of live
// objects of 64 bytes, of whose pages 1 % are written while it marks; all of them are left to the last pause,
// as no other collection comes in between. Sweeping, which the stopped one does in its pause, frees nothing
// here: all objects live.
//
// Counters: both pauses and the whole of the concurrent marking in ms, and the first pause relative to the
// second with 90 % confidence between low and high. Names: full_pause/BARRIER.
#include <benchmark/benchmark.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <gcbarrier/error.hpp>
#include <heap/barriers.hpp>
#include <heap/collector.hpp>
#include <heap/roots.hpp>
#include <heap/workload/arrays.hpp>
#include <heap/workload/out_of_memory.hpp>
#include <heap/workload/random.hpp>
#include <memory>
#include <string>
#include <thread>

#include "measure/interleaved.hpp"
#include "measure/spread.hpp"

namespace gcbench {
namespace {

constexpr std::size_t live_bytes = std::size_t{1} << 30;
constexpr double written_part = 0.01;
constexpr double target = 0.1;

struct item {
  gcheap::object header;
  gcheap::field<item> links[4];
  std::uint64_t data[3];

  static const gcheap::type kind;
};
static_assert(sizeof(item) == 64);
const gcheap::type item::kind =
    gcheap::describe<item, offsetof(item, links), offsetof(item, links) + 8, offsetof(item, links) + 16,
                     offsetof(item, links) + 24>("item");

// Items in arrays, each linked to others near it and to one anywhere.
template <class Barrier>
class old_graph {
 public:
  using heap_type = gcheap::collector<Barrier>;
  using items = gcheap::workload::array<item>;

  explicit old_graph(heap_type& heap)
      : heap_(heap),
        blocks_(heap.roots(), gcheap::workload::make<gcheap::workload::array<items>>(heap, block_count)) {
    for (std::size_t b = 0; b < block_count; ++b) {
      heap.store((*blocks_)[b], gcheap::workload::make<items>(heap, block_items));
      for (std::size_t i = 0; i < block_items; ++i) {
        auto* const fresh = gcheap::workload::make<item>(heap);
        items& block = *(*blocks_)[b];
        heap.store(block[i], fresh);
        for (std::size_t link = 0; link < 3 && i > 0; ++link)
          heap.store(fresh->links[link], block[random_.below(i)].get());
        if (b > 0) heap.store(fresh->links[3], any_below(b));
      }
    }
    heap.collect_full();
  }

  // One item in so many pages drawn at random is linked to another old one.
  void write(std::size_t pages) {
    for (std::size_t i = 0; i < pages; ++i)
      heap_.store(any_below(block_count)->links[i % 3], any_below(block_count));
  }

 private:
  static constexpr std::size_t block_items = 2048;
  static constexpr std::size_t block_count = live_bytes / (block_items * sizeof(item));

  item* any_below(std::size_t block) {
    items& chosen = *(*blocks_)[random_.below(block)].get();
    return chosen[random_.below(block_items)];
  }

  heap_type& heap_;
  gcheap::root<gcheap::workload::array<items>> blocks_;
  gcheap::workload::random_numbers random_{11};
};

template <class Barrier>
void full_pause(benchmark::State& state) {
  gcheap::collector_options options;
  options.old_bytes = 3 * live_bytes;
  options.first_full_bytes = 2 * live_bytes;  // none but those below
  options.concurrent_full = true;
  for (auto _ : state) {
    auto heap = gcheap::collector<Barrier>::open(options, gcheap::open_barrier<Barrier>);
    if (!heap) {
      std::array<char, 300> why{};
      heap.error().describe(why.data(), why.size());
      state.SkipWithError(why.data());
      return;
    }
    gcheap::collector<Barrier>& collector = **heap;
    old_graph<Barrier> graph(collector);
    const std::size_t pages = collector.old_live_bytes() / 4096;
    const auto written = static_cast<std::size_t>(static_cast<double>(pages) * written_part);
    const auto& counted = collector.statistics();

    interleaved measured;
    const std::size_t stopped = measured.add([&] {
      collector.collect_full();
      return static_cast<double>(counted.full_pauses().back());
    });
    const std::size_t beside = measured.add([&] {
      collector.begin_full();
      graph.write(written);
      while (!collector.concurrent()->ready()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
      collector.collect_minor();
      const auto pause = static_cast<double>(counted.full_pauses().back());
      while (!collector.concurrent()->idle()) collector.collect_minor();
      return pause;
    });
    measured.repeat(5, 15, std::chrono::seconds(60));

    const spread ratio =
        of_medians([](double a, double b) { return a / b; }, measured.taken(beside), measured.taken(stopped));
    state.counters["stopped_ms"] = spread_of(measured.taken(stopped)).median / 1e6;
    state.counters["last_pause_ms"] = spread_of(measured.taken(beside)).median / 1e6;
    state.counters["marking_ms"] =
        static_cast<double>(counted.concurrent_mark_ns) / static_cast<double>(counted.concurrent_marks) / 1e6;
    state.counters["scanned_again_MiB"] = static_cast<double>(counted.final_scanned_bytes) /
                                          static_cast<double>(counted.concurrent_marks) / (1 << 20);
    state.counters["repetitions"] = static_cast<double>(measured.taken(beside).size());
    state.counters["ratio"] = ratio.median;
    state.counters["ratio_low"] = ratio.low;
    state.counters["ratio_high"] = ratio.high;
    state.counters["ratio_target"] = target;
    state.counters["live_MiB"] = static_cast<double>(collector.old_live_bytes()) / (1 << 20);
  }
}

template <class Barrier>
void add() {
  benchmark::RegisterBenchmark(("full_pause/" + std::string(Barrier::name)).c_str(), full_pause<Barrier>)
      ->Iterations(1)
      ->Unit(benchmark::kMillisecond);
}

const bool registered = [] {
  add<gcheap::uffd_async_barrier>();
  add<gcbarrier::card_table>();
  add<gcheap::mprotect_barrier>();
  return true;
}();

}  // namespace
}  // namespace gcbench
