// How fast dirty memory is searched for pointers into the nursery, beside how fast the same memory can be
// read at all, which is taken to be how fast memchr() looks through it for a byte that is not there. Both
// take turns in every iteration. Names: search/METHOD/PLACE.
#include <benchmark/benchmark.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <gcbarrier/address_range.hpp>
#include <heap/search.hpp>
#include <span>
#include <string>
#include <vector>

#include "measure/arena_memory.hpp"
#include "measure/interleaved.hpp"
#include "measure/spread.hpp"

namespace gcbench {
namespace {

enum class place : std::uint8_t { cache, in_order, scattered };

const char* name_of(place which) {
  switch (which) {
    case place::cache:
      return "cache";  // 16 pages, over and over
    case place::in_order:
      return "memory_in_order";  // page after page through 256 MiB
    case place::scattered:
      return "memory_scattered";  // pages drawn from 256 MiB, as a cycle's dirty ones are
  }
  return "";
}

constexpr std::size_t pages = 4096;  // in one measurement

std::vector<gcbarrier::address_range> pages_of(place which, const arena_memory& memory) {
  constexpr std::size_t stride = 40503;  // odd: each page comes again after all others
  std::vector<gcbarrier::address_range> chosen(memory.pages());
  for (std::size_t i = 0; i < chosen.size(); ++i) {
    const std::size_t page = which == place::cache      ? i % 16
                             : which == place::in_order ? i
                                                        : i * stride % memory.pages();
    chosen[i] = memory.range(page, 1);
  }
  return chosen;
}

void search(benchmark::State& state, gcheap::search_function find, place which) {
  // No word of it lies in the nursery: zeros are searched, and a one a page.
  const gcbarrier::address_range nursery{std::uintptr_t{8} << 20, std::uintptr_t{16} << 20};
  const arena_memory memory(std::size_t{256} << 20, page_kind::small);
  const auto chosen = pages_of(which, memory);
  // The two go round half of it apart, so that neither finds in the cache what the other has left there.
  const auto next_pages = [&chosen](std::size_t& at) {
    at = (at + pages) % chosen.size();
    return std::span(chosen).subspan(at, pages);
  };
  interleaved both;
  const auto searched = both.add([&, at = std::size_t{0}]() mutable {
    std::size_t found = 0;
    const auto some = next_pages(at);
    return time_of([&] {
      for (const gcbarrier::address_range page : some) {
        gcheap::search(find, page, nursery, [&found](void** /*slot*/) { ++found; });
      }
      keep(found);
    });
  });
  const auto read = both.add([&, at = chosen.size() / 2]() mutable {
    const auto some = next_pages(at);
    return time_of([&] {
      for (const gcbarrier::address_range page : some) {
        keep(std::memchr(reinterpret_cast<const void*>(page.begin), 0x7f, page.bytes()));
      }
    });
  });
  both.repeat_once();  // warms up
  for (auto _ : state) {
    both.repeat_once();
    state.SetIterationTime(both.taken(searched).back() / 1e9);
  }
  const double ns = spread_of(both.taken(searched)).median;
  const double read_ns = spread_of(both.taken(read)).median;
  const auto bytes = static_cast<double>(pages * arena_memory::page_size());
  const spread part = of_medians([](double search, double reading) { return reading / search; },
                                 both.taken(searched), both.taken(read));
  state.counters["ns_per_page"] = ns / static_cast<double>(pages);
  state.counters["GB_per_s"] = bytes / ns;
  state.counters["bandwidth_GB_per_s"] = bytes / read_ns;
  state.counters["of_bandwidth"] = part.median;
  state.counters["of_bandwidth_low"] = part.low;
  state.counters["of_bandwidth_high"] = part.high;
}

const bool registered = [] {
  for (const gcheap::search_method& method : gcheap::search_methods()) {
    for (const place which : {place::cache, place::in_order, place::scattered}) {
      const std::string name = std::string("search/") + method.name + '/' + name_of(which);
      benchmark::RegisterBenchmark(name.c_str(), search, method.find, which)
          ->UseManualTime()
          ->Iterations(31)
          ->Unit(benchmark::kMicrosecond);
    }
  }
  return true;
}();

}  // namespace
}  // namespace gcbench
