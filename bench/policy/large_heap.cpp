// What a scan of a large old space costs, on small pages and with its cold part moved to huge ones: per GiB,
// alone, while another thread of the process writes, and by two threads at once.
//
// Every page is there. One in ten thousand is written in each cycle, always the same ones: side by side, as
// objects that are mutated would lie if they lie together, or each in a huge page's range of its own.
// Names: large_heap/PLACE/GiB:N. Counters, in milliseconds of wall clock, the median of 15 cycles, each for
// small pages and for huge ones:
//   scan      peek(): the dirty pages are read
//   arm       arm(): they are protected again
//   policy_*  the same two with the cost policy
//   collect   collect(): both in one step
//   collect_busy  the same while another thread writes these pages without a pause
//   halves    a bare scan of each half by a thread of its own, at once; one: of all by one
#include <benchmark/benchmark.h>
#include <sys/mman.h>

#include <atomic>
#include <cstddef>
#include <gcbarrier/kernel/descriptor.hpp>
#include <gcbarrier/kernel/page_scan.hpp>
#include <gcbarrier/mechanism/uffd_async.hpp>
#include <gcbarrier/policy/cost_policy.hpp>
#include <gcbarrier/write_tracker.hpp>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "measure/arena_memory.hpp"
#include "measure/interleaved.hpp"
#include "measure/spread.hpp"

namespace gcbench {
namespace {

using gcbarrier::address_range;

constexpr int cycles = 15;
constexpr std::size_t one_dirty_in = 10'000;

[[noreturn]] void fail(const gcbarrier::error& why) {
  char text[256];
  why.describe(text, sizeof text);
  throw std::runtime_error(text);
}
template <class T>
T value_of(gcbarrier::result<T> made) {
  if (!made) fail(made.error());
  return std::move(*made);
}

class large_heap {
 public:
  large_heap(std::size_t bytes, bool together) : memory_(bytes, page_kind::small) {
    const std::size_t count = memory_.pages() / one_dirty_in;
    const std::size_t apart = together ? 1 : memory_.pages() / count;
    for (std::size_t i = 0; i < count; ++i) hot_.push_back(i * apart);
  }

  [[nodiscard]] address_range range() const { return memory_.range(); }
  [[nodiscard]] double gib() const { return static_cast<double>(range().bytes()) / (1 << 30); }
  // Of the counters; the pages that are written are so in each cycle.
  void write() const {
    for (const std::size_t page : hot_) memory_.write(page);
  }
  void allow_huge() const {
    (void)::madvise(reinterpret_cast<void*>(range().begin), range().bytes(), MADV_HUGEPAGE);
  }

  // Moves all that is cold, as the collector would in many full collections. Milliseconds.
  double collapse() const {
    auto tracker = open<gcbarrier::protect_everything>();
    double taken = 0;
    for (std::size_t moved = 1, round = 0; moved != 0 || round < 2; ++round) {
      write();
      (void)tracker.peek();
      taken += time_of([&] { moved = tracker.collapse_cold({~std::uint64_t{0}, 1}); });
      blocks_moved_ += moved;
      tracker.arm();
    }
    return taken / 1e6;
  }
  [[nodiscard]] std::size_t blocks_moved() const { return blocks_moved_; }

  template <class Policy>
  void stopped_cycles(benchmark::State& state, const std::string& name) const {
    auto tracker = open<Policy>();
    samples scans, arms;
    for (int i = -20; i < cycles; ++i) {
      write();
      const double scan = time_of([&] { keep(tracker.peek()); });
      if constexpr (Policy::selects) {
        for (const std::size_t page : hot_) tracker.found_young(memory_.range(page, 1));
      }
      const double arm = time_of([&] { tracker.arm(); });
      if (i < 0) continue;  // until the policy knows what is hot
      scans.push_back(scan / 1e6);
      arms.push_back(arm / 1e6);
    }
    give(state, name + "scan", scans);
    give(state, name + "arm", arms);
  }

  void collecting(benchmark::State& state, const std::string& name, bool busy) const {
    auto tracker = open<gcbarrier::protect_everything>();
    std::atomic<bool> stop{false};
    std::thread other;
    if (busy) {
      other = std::thread([&] {
        while (!stop.load(std::memory_order_relaxed)) write();
      });
    }
    samples taken;
    for (int i = -2; i < cycles; ++i) {
      write();
      const double one = time_of([&] { keep(tracker.collect()); });
      if (i >= 0) taken.push_back(one / 1e6);
    }
    stop.store(true);
    if (busy) other.join();
    give(state, name, taken);
  }

  void by_two_threads(benchmark::State& state, const std::string& name) const {
    auto tracker = open<gcbarrier::protect_everything>();
    const std::uintptr_t middle = range().begin + range().bytes() / 2;
    std::atomic<int> turn{0};  // odd: the other thread is to scan
    std::atomic<bool> stop{false};
    std::thread other([&] {
      while (!stop.load()) {
        if (turn.load() % 2 == 0) continue;
        scan({middle, range().end});
        turn.fetch_add(1);
      }
    });
    samples halves, one;
    for (int i = -2; i < cycles; ++i) {
      write();
      const double all = time_of([&] { scan(range()); });
      const double both = time_of([&] {
        turn.fetch_add(1);
        scan({range().begin, middle});
        while (turn.load() % 2 != 0) {
        }
      });
      tracker.arm();
      if (i < 0) continue;
      halves.push_back(both / 1e6);
      one.push_back(all / 1e6);
    }
    stop.store(true);
    other.join();
    give(state, name + "one", one);
    give(state, name + "halves", halves);
  }

 private:
  template <class Policy>
  [[nodiscard]] gcbarrier::basic_write_tracker<gcbarrier::uffd_async, Policy> open() const {
    auto mechanism = value_of(gcbarrier::uffd_async::open({}));
    Policy policy = Policy::fit(mechanism, {});
    auto tracker = value_of(gcbarrier::basic_write_tracker<gcbarrier::uffd_async, Policy>::over(
        std::move(mechanism), {}, std::move(policy)));
    if (const gcbarrier::error why = tracker.add_arena(range())) fail(why);
    tracker.arm();
    return tracker;
  }

  // With a descriptor and memory of its own, so that two threads share nothing but the page tables.
  static void scan(address_range range) {
    thread_local const int pagemap = ::open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    thread_local std::vector<gcbarrier::kernel::page_region> regions(4096);
    gcbarrier::kernel::scan_request request;
    request.range = range;
    request.regions = regions;
    const auto answer = gcbarrier::kernel::scan_pages({}, pagemap, request);
    if (!answer) fail(answer.error());
  }

  static void give(benchmark::State& state, const std::string& name, const samples& taken) {
    const spread all = spread_of(taken);
    state.counters[name] = all.median;
    state.counters[name + "_low"] = all.low;
    state.counters[name + "_high"] = all.high;
  }

  arena_memory memory_;
  std::vector<std::size_t> hot_;
  mutable std::size_t blocks_moved_ = 0;
};

void measure(benchmark::State& state, const large_heap& heap, const std::string& pages) {
  heap.stopped_cycles<gcbarrier::protect_everything>(state, pages);
  heap.stopped_cycles<gcbarrier::cost_policy>(state, pages + "policy_");
  heap.collecting(state, pages + "collect", false);
  heap.collecting(state, pages + "collect_busy", true);
  heap.by_two_threads(state, pages);
}

void large(benchmark::State& state, bool together) {
  for (auto _ : state) {
    const large_heap heap(static_cast<std::size_t>(state.range(0)) << 30, together);
    measure(state, heap, "small_");
    heap.allow_huge();
    const double taken = heap.collapse();
    state.counters["collapse_block"] = taken / static_cast<double>(heap.blocks_moved());
    state.counters["collapsed_GiB"] = static_cast<double>(heap.blocks_moved()) / 512;
    measure(state, heap, "huge_");
    state.counters["to_small"] = state.counters["huge_scan"] / state.counters["small_scan"];
    state.counters["small_scan_GiB"] = state.counters["small_scan"] / heap.gib();
    state.counters["huge_scan_GiB"] = state.counters["huge_scan"] / heap.gib();
  }
}

const bool registered = [] {
  for (const bool together : {true, false}) {
    benchmark::RegisterBenchmark(together ? "large_heap/together" : "large_heap/scattered", large, together)
        ->ArgName("GiB")
        ->Arg(1)
        ->Arg(4)
        ->Arg(16)
        ->Iterations(1)
        ->Unit(benchmark::kMillisecond);
  }
  return true;
}();

}  // namespace
}  // namespace gcbench
