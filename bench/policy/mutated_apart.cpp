// What it saves to promote the objects of mutated types to a part of the old space of their own.
//
// apart/records/BARRIER: a heap of records, each a mutable cell and four facts of the same size that never
// change; the allocator keeps objects of different sizes apart anyway. The facts hang on their cell, so the
// collector promotes all new cells, and then their facts. apart/rows/BARRIER: cells and facts stand side by
// side in an array, and are promoted in that order. A cycle replaces one record in fifty and stores a young
// pointer to one cell in ten, then collects the nursery. Counters: dirty pages and milliseconds of processor
// time a cycle, mixed and apart, cycles of both interleaved.
//
// apart/WORKLOAD/BARRIER: the whole programs in both ways; milliseconds and dirty pages of a run.
#include <benchmark/benchmark.h>

#include <cstddef>
#include <cstdint>
#include <gcbarrier/error.hpp>
#include <heap/barriers.hpp>
#include <heap/collector.hpp>
#include <heap/roots.hpp>
#include <heap/workload/random.hpp>
#include <heap/workload/workloads.hpp>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

#include "measure/interleaved.hpp"
#include "measure/processor_time.hpp"
#include "measure/spread.hpp"

namespace gcbench {
namespace {

struct text {
  gcheap::object header;
  std::uint64_t number;

  static const gcheap::type kind;
};
const gcheap::type text::kind = gcheap::describe<text>("text");

struct fact {
  gcheap::object header;
  gcheap::field<fact> next;
  std::uint64_t what[4];

  static const gcheap::type kind;
};
const gcheap::type fact::kind = gcheap::describe<fact, offsetof(fact, next)>("fact");

struct cell {
  gcheap::object header;
  gcheap::field<fact> facts;
  gcheap::field<text> said;
  std::uint64_t what[3];

  static const gcheap::type kind;
};
const gcheap::type cell::kind = gcheap::describe<cell, offsetof(cell, facts), offsetof(cell, said)>("cell");
static_assert(sizeof(fact) == sizeof(cell));

struct cells {
  gcheap::variable_object header;

  static const gcheap::type kind;
  gcheap::field<cell>& operator[](std::size_t i) { return gcheap::elements<cell>(&header)[i]; }
};
const gcheap::type cells::kind = gcheap::describe<cells>("cells", gcheap::tail::pointers);

template <class Barrier>
std::unique_ptr<gcheap::collector<Barrier>> opened(bool apart) {
  gcheap::collector_options options;
  options.keep_mutated_apart = apart;
  auto heap = gcheap::collector<Barrier>::open(options, gcheap::open_barrier<Barrier>);
  if (!heap) {
    char why[300];
    heap.error().describe(why, sizeof why);
    throw std::runtime_error(why);
  }
  return std::move(*heap);
}

template <class Barrier>
class records {
 public:
  records(bool apart, bool in_rows)
      : heap_(opened<Barrier>(apart)),
        in_rows_(in_rows),
        all_(heap_->roots(), heap_->template allocate<cells>(count * width)) {
    for (std::size_t i = 0; i < count; ++i) replace(i);
    for (int i = 0; i < 150; ++i) (void)cycle();  // all but a twentieth is replaced in them
  }

  // Nanoseconds.
  double cycle() {
    return processor_time_of([&] {
      for (std::size_t i = 0; i < count / 50; ++i) replace(random_.below(count));
      for (std::size_t i = 0; i < count / 10; ++i) {
        auto* const said = heap_->template allocate<text>();
        heap_->store((*all_)[random_.below(count) * width]->said, said);
      }
      heap_->collect_minor();
    });
  }
  [[nodiscard]] double dirty_pages() const { return static_cast<double>(heap_->statistics().dirty_pages); }

 private:
  static constexpr std::size_t count = 50'000;
  static constexpr std::size_t width = 5;  // of a row

  void replace(std::size_t at) {
    gcheap::root<cell> fresh(heap_->roots(), heap_->template allocate<cell>());
    for (std::size_t i = 1; i < width; ++i) {
      auto* const one = heap_->template allocate<fact>();
      if (in_rows_) {
        heap_->store((*all_)[at * width + i], reinterpret_cast<cell*>(one));  // any object will do
      } else {
        heap_->store(one->next, fresh->facts.get());
        heap_->store(fresh->facts, one);
      }
    }
    heap_->store((*all_)[at * width], fresh.get());
  }

  std::unique_ptr<gcheap::collector<Barrier>> heap_;
  bool in_rows_;
  gcheap::root<cells> all_;
  gcheap::workload::random_numbers random_{3};
};

void give(benchmark::State& state, const samples& apart, const samples& mixed, double apart_pages,
          double mixed_pages) {
  const spread ratio = of_medians([](double a, double b) { return a / b; }, apart, mixed);
  state.counters["apart_ms"] = spread_of(apart).median / 1e6;
  state.counters["mixed_ms"] = spread_of(mixed).median / 1e6;
  state.counters["to_mixed"] = ratio.median;
  state.counters["to_mixed_low"] = ratio.low;
  state.counters["to_mixed_high"] = ratio.high;
  state.counters["apart_pages"] = apart_pages;
  state.counters["mixed_pages"] = mixed_pages;
}

template <class Barrier>
void of_records(benchmark::State& state, bool in_rows) {
  records<Barrier> apart(true, in_rows);
  records<Barrier> mixed(false, in_rows);
  interleaved all;
  const auto with = all.add([&] { return apart.cycle(); });
  const auto without = all.add([&] { return mixed.cycle(); });
  const double apart_before = apart.dirty_pages();
  const double mixed_before = mixed.dirty_pages();
  for (auto _ : state) {
    all.repeat_once();
    state.SetIterationTime(all.taken(with).back() / 1e9);
  }
  const auto cycles = static_cast<double>(state.iterations());
  give(state, all.taken(with), all.taken(without), (apart.dirty_pages() - apart_before) / cycles,
       (mixed.dirty_pages() - mixed_before) / cycles);
}

template <class Workload, class Barrier>
void of_program(benchmark::State& state) {
  double pages[2] = {0, 0};
  interleaved all;
  for (const bool apart : {false, true}) {
    all.add([apart, &pages] {
      auto heap = opened<Barrier>(apart);
      const double taken = processor_time_of([&] { (void)Workload::run(*heap, 0.2); });
      pages[apart ? 1 : 0] = static_cast<double>(heap->statistics().dirty_pages);
      return taken;
    });
  }
  for (auto _ : state) {
    all.repeat_once();
    state.SetIterationTime(all.taken(1).back() / 1e9);
  }
  give(state, all.taken(1), all.taken(0), pages[1], pages[0]);
}

template <class Barrier>
void register_for() {
  const std::string barrier(Barrier::name);
  for (const bool in_rows : {false, true}) {
    const std::string name = std::string(in_rows ? "apart/rows/" : "apart/records/") + barrier;
    benchmark::RegisterBenchmark(name.c_str(), of_records<Barrier>, in_rows)
        ->UseManualTime()
        ->Iterations(61)
        ->Unit(benchmark::kMillisecond);
  }
  gcheap::workload::each_workload([&]<class Workload>() {
    const std::string name = std::string("apart/") + Workload::name + '/' + barrier;
    benchmark::RegisterBenchmark(name.c_str(), of_program<Workload, Barrier>)
        ->UseManualTime()
        ->Iterations(7)
        ->Unit(benchmark::kMillisecond);
  });
}

const bool registered = [] {
  register_for<gcheap::uffd_async_barrier>();
  register_for<gcheap::uffd_cost_barrier>();
  return true;
}();

}  // namespace
}  // namespace gcbench
