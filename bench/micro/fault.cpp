// What the first write to a protected page costs with each mechanism, beside the same fault handled by hand,
// an ordinary fault (the first touch of fresh memory, which the kernel clears) and a bare system call. All
// take turns in every iteration. Names: fault/MECHANISM.
#include <benchmark/benchmark.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstddef>
#include <exception>
#include <heap/barriers.hpp>
#include <string>

#include "bare_faults.hpp"
#include "measure/arena_memory.hpp"
#include "measure/interleaved.hpp"
#include "measure/spread.hpp"

namespace gcbench {
namespace {

constexpr std::size_t bytes = std::size_t{4} << 20;

// Every other page, as what a mutator leaves behind is scattered. Nanoseconds a page.
double write_every_other_page(const arena_memory& memory) {
  std::size_t written = 0;
  const double taken = time_of([&] {
    for (std::size_t page = 0; page < memory.pages(); page += 2, ++written) memory.write(page);
  });
  return taken / static_cast<double>(written);
}

double system_call() {
  constexpr int calls = 1000;
  return time_of([] {
           for (int i = 0; i < calls; ++i) ::syscall(SYS_getppid);
         }) /
         calls;
}

// By hand each repetition begins anew: two signal handlers could not both be there.
template <class Bare>
double bare_fault(const arena_memory& memory) {
  Bare bare(memory.range());
  bare.arm();
  return write_every_other_page(memory);
}

template <class Barrier, class Bare>
void compare(benchmark::State& state) {
  const arena_memory memory(bytes, page_kind::small);
  const arena_memory by_hand(bytes, page_kind::small);
  const arena_memory fresh(bytes, page_kind::small);
  auto barrier = gcheap::open_barrier<Barrier>(memory.range());
  if (!barrier) require(barrier.error());
  require(barrier->add_arena(memory.range()));

  interleaved all;
  const auto tracked = all.add([&] {
    barrier->rearm();
    const double taken = write_every_other_page(memory);
    (void)barrier->written();
    return taken;
  });
  const auto bare = all.add([&] { return bare_fault<Bare>(by_hand); });
  const auto ordinary = all.add([&] {
    ::madvise(reinterpret_cast<void*>(fresh.range().begin), bytes, MADV_DONTNEED);
    return write_every_other_page(fresh);
  });
  const auto call = all.add(system_call);
  all.repeat_once();  // warms up
  for (auto _ : state) {
    all.repeat_once();
    state.SetIterationTime(all.taken(tracked).back() / 1e9);
  }
  const auto quotient = [](double ours, double other) { return ours / other; };
  const spread ns = spread_of(all.taken(tracked));
  const spread ratio = of_medians(quotient, all.taken(tracked), all.taken(bare));
  state.counters["ns"] = ns.median;
  state.counters["ns_low"] = ns.low;
  state.counters["ns_high"] = ns.high;
  state.counters["bare_ns"] = spread_of(all.taken(bare)).median;
  state.counters["ratio"] = ratio.median;
  state.counters["ratio_low"] = ratio.low;
  state.counters["ratio_high"] = ratio.high;
  state.counters["fresh_page_ns"] = spread_of(all.taken(ordinary)).median;
  state.counters["system_call_ns"] = spread_of(all.taken(call)).median;
}

template <class Barrier, class Bare>
void fault(benchmark::State& state) {
  try {
    compare<Barrier, Bare>(state);
  } catch (const std::exception& problem) {
    state.SkipWithError(problem.what());
  }
}

const bool registered = [] {
  const auto add = []<class Barrier, class Bare>(Barrier*, Bare*) {
    benchmark::RegisterBenchmark((std::string("fault/") + std::string(Barrier::name)).c_str(),
                                 fault<Barrier, Bare>)
        ->UseManualTime()
        ->Iterations(15)
        ->Unit(benchmark::kNanosecond);
  };
  add(static_cast<gcheap::uffd_async_barrier*>(nullptr), static_cast<bare_uffd_async*>(nullptr));
  add(static_cast<gcheap::mprotect_barrier*>(nullptr), static_cast<bare_mprotect*>(nullptr));
  add(static_cast<gcheap::uffd_sync_barrier*>(nullptr), static_cast<bare_uffd_sync*>(nullptr));
  return true;
}();

}  // namespace
}  // namespace gcbench
