#include "costs.hpp"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdint>
#include <functional>
#include <gcbarrier/barrier/card_table.hpp>
#include <gcbarrier/barrier/none.hpp>
#include <gcbarrier/mechanism/uffd_async.hpp>
#include <gcbarrier/policy/calibration.hpp>
#include <heap/search.hpp>
#include <limits>
#include <memory>
#include <system_error>
#include <utility>

#include "../measure/arena_memory.hpp"
#include "../measure/interleaved.hpp"
#include "../measure/store_cost.hpp"

namespace gcbench {
namespace {

namespace uapi = gcbarrier::kernel::uapi;
using gcbarrier::address_range;
using gcbarrier::mechanism_kind;

constexpr std::size_t mebibyte = std::size_t{1} << 20;

void require(const gcbarrier::error& why) {
  if (!why) return;
  char text[256];
  why.describe(text, sizeof text);
  throw std::system_error(why.code, std::generic_category(), text);
}

// Names a cost and knows under which number it is being measured.
class plan {
 public:
  void add(std::string id, std::string mechanism, std::string what, interleaved::measurement measure) {
    names_.push_back({std::move(id), std::move(mechanism), std::move(what), {}});
    (void)running_.add(std::move(measure));
  }
  std::vector<cost> carry_out(effort effort) {
    running_.repeat(effort.least, effort.most, effort.time);
    for (std::size_t i = 0; i < names_.size(); ++i) names_[i].taken = running_.taken(i);
    return std::move(names_);
  }

 private:
  interleaved running_;
  std::vector<cost> names_;
};

// One arena under one mechanism.
struct tracked_memory {
  tracked_memory(mechanism_kind kind, std::size_t bytes, page_kind pages)
      : memory(bytes, pages), tracker(open(kind)) {
    require(tracker.add_arena(memory.range()));
    tracker.arm();
  }

  // Every other page: what a mutator leaves behind is scattered.
  std::size_t write_every_other_page() const {
    std::size_t written = 0;
    for (std::size_t page = 0; page < memory.pages(); page += 2, ++written) memory.write(page);
    return written;
  }

  arena_memory memory;
  gcbarrier::write_tracker tracker;

 private:
  static gcbarrier::write_tracker open(mechanism_kind kind) {
    auto opened = gcbarrier::write_tracker::open({.mechanism = kind});
    if (!opened) require(opened.error());
    return std::move(*opened);
  }
};

bool has_huge_pages(const arena_memory& memory) {
  const gcbarrier::kernel::descriptor pagemap({}, ::open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC));
  std::vector<uapi::page_region> regions(memory.pages());
  gcbarrier::kernel::scan_request request;
  request.range = memory.range();
  request.regions = regions;
  request.require_registered = false;
  request.all_of = request.returned = uapi::page_is_huge;
  const auto answer = gcbarrier::kernel::scan_pages({}, pagemap.number(), request);
  if (!answer) return false;
  std::size_t bytes = 0;
  for (const auto& region : answer->regions) bytes += region.end - region.start;
  return bytes == memory.range().bytes();
}

void plan_clean_scan(plan& to, const std::string& id, const std::string& mechanism, const std::string& what,
                     const std::shared_ptr<tracked_memory>& clean) {
  to.add(id, mechanism, what, [clean] {
    constexpr std::size_t times = 4;
    const double taken = time_of([&] {
      for (std::size_t i = 0; i < times; ++i) keep(clean->tracker.collect().empty());
    });
    return taken / static_cast<double>(times * clean->memory.pages());
  });
}

void plan_mechanism(plan& to, mechanism_kind kind) {
  const std::string name = name_of(kind);
  const auto used = std::make_shared<tracked_memory>(kind, 8 * mebibyte, page_kind::small);
  to.add("first_write", name, "first write to a protected page", [used] {
    used->tracker.arm();
    std::size_t written = 0;
    const double taken = time_of([&] { written = used->write_every_other_page(); });
    return taken / static_cast<double>(written);
  });
  to.add("collect_dirty", name, "read and protect again, a written page", [used] {
    const auto written = static_cast<double>(used->write_every_other_page());
    return time_of([&] { keep(used->tracker.collect().empty()); }) / written;
  });
  to.add("arm_dirty", name, "protect again without reading, a written page", [used] {
    const auto written = static_cast<double>(used->write_every_other_page());
    return time_of([&] { used->tracker.arm(); }) / written;
  });
  for (const std::size_t run : {std::size_t{16}, std::size_t{64}}) {
    to.add("expect_writes_" + std::to_string(run), name,
           "un-protect a run of " + std::to_string(run) + " pages", [used, run] {
             used->tracker.arm();
             std::size_t runs = 0;
             const double taken = time_of([&] {
               for (std::size_t at = 0; at + run <= used->memory.pages(); at += 2 * run, ++runs) {
                 require(used->tracker.expect_writes(used->memory.range(at, run)));
               }
             });
             return taken / static_cast<double>(runs);
           });
  }

  const auto clean = std::make_shared<tracked_memory>(kind, 32 * mebibyte, page_kind::small);
  plan_clean_scan(to, "scan_clean", name, "scan, a clean page", clean);
  // The others do not care how large the pages are.
  if (kind != mechanism_kind::uffd_async) return;
  const auto huge = std::make_shared<tracked_memory>(kind, 32 * mebibyte, page_kind::huge);
  if (has_huge_pages(huge->memory)) {
    plan_clean_scan(to, "scan_clean_huge", name, "scan, 4 KiB of clean huge pages", huge);
  }
}

// The smallest question that can be asked: a system call or two, and the library around them.
void plan_smallest_scan(plan& to, mechanism_kind kind) {
  const auto small = std::make_shared<tracked_memory>(kind, 2 * mebibyte, page_kind::small);
  require(small->tracker.resize_arena(reinterpret_cast<const void*>(small->memory.range().begin),
                                      arena_memory::page_size()));
  small->tracker.arm();
  to.add("smallest_scan", name_of(kind), "smallest scan: one clean page", [small] {
    constexpr std::size_t times = 100;
    const double taken = time_of([&] {
      for (std::size_t i = 0; i < times; ++i) keep(small->tracker.collect().empty());
    });
    return taken / static_cast<double>(times);
  });
}

void plan_search(plan& to) {
  // Of a usual nursery's size, and no word of the memory points into it: zeros are searched, and a one a
  // page.
  const address_range nursery{8 * mebibyte, 16 * mebibyte};
  const auto memory = std::make_shared<arena_memory>(64 * mebibyte, page_kind::small);
  const auto find = gcheap::best_search().find;
  const auto search = [=](std::size_t page, std::size_t bytes) {
    std::size_t found = 0;
    const address_range range = memory->range(page, 1);
    gcheap::search(find, {range.begin, range.begin + bytes}, nursery, [&found](void** /*slot*/) { ++found; });
    keep(found);
  };
  const std::size_t page_bytes = arena_memory::page_size();
  to.add("search_cached", "", "search a page that is in the cache", [=] {
    constexpr std::size_t pages = 32;
    const auto once = [&] {
      for (std::size_t page = 0; page < pages; ++page) search(page, page_bytes);
    };
    once();
    return time_of(once) / pages;
  });
  const auto cold = [=](std::size_t bytes) {
    return [=, at = std::size_t{0}]() mutable {
      constexpr std::size_t pages = 1024;
      constexpr std::size_t stride = 769;  // a prime: each comes again after all others
      const double taken = time_of([&] {
        for (std::size_t i = 0; i < pages; ++i) search(at = (at + stride) % memory->pages(), bytes);
      });
      return taken / pages;
    };
  };
  to.add("search_page", "", "search a page that is not", cold(page_bytes));
  to.add("search_card", "", "search a card that is not", cold(gcbarrier::card_table::card_bytes));
}

void plan_cards(plan& to) {
  const auto memory = std::make_shared<arena_memory>(8 * mebibyte, page_kind::small);
  auto opened = gcbarrier::card_table::open(memory->range());
  if (!opened) require(opened.error());
  const auto cards = std::make_shared<gcbarrier::card_table>(std::move(*opened));
  require(cards->add_arena(memory->range()));

  const auto none = std::make_shared<gcbarrier::no_barrier>();
  to.add("store", "", "a pointer store without a barrier", [=] { return store_cost(*none, *memory); });
  to.add("store_card", "", "a pointer store that marks a card", [=] { return store_cost(*cards, *memory); });
  to.add("find_card", "", "find and clean a dirty card, one a page", [=] {
    cards->written();
    cards->rearm();
    for (std::size_t page = 0; page < memory->pages(); page += 2) {
      auto* const slot = reinterpret_cast<void**>(memory->range(page, 1).begin);  // NOLINT
      cards->store(slot, nullptr);
    }
    const double taken = time_of([&] {
      keep(cards->written().empty());
      cards->rearm();
    });
    return taken / (static_cast<double>(memory->pages()) / 2);
  });
}

// A dirty page costs tracking its fault, its part of the scan, and the search of all of it; one that is left
// unprotected only to be read and searched. The card table pays for a mark at every store, and for finding
// and searching one card of the page at the least.
break_even stores_to_break_even(const costs& measured, mechanism_kind kind) {
  const auto taken = [&](const char* id, const char* mechanism) -> const samples& {
    return measured.find(id, mechanism)->taken;
  };
  const char* const name = name_of(kind);
  const auto stores = [](double page, double find_card, double card, double mark) {
    if (mark <= 0) return std::numeric_limits<double>::infinity();
    return std::max((page - find_card - card) / mark, 0.0);
  };
  const spread first =
      of_medians([&](double fault, double scan, double page, double find_card, double card,
                     double mark) { return stores(fault + scan + page, find_card, card, mark); },
                 taken("first_write", name), taken("collect_dirty", name), taken("search_page", ""),
                 taken("find_card", ""), taken("search_card", ""), taken("card_mark", ""));
  const spread again =
      of_medians([&](double scan, double arm, double page, double find_card, double card,
                     double mark) { return stores(std::max(scan - arm, 0.0) + page, find_card, card, mark); },
                 taken("collect_dirty", name), taken("arm_dirty", name), taken("search_page", ""),
                 taken("find_card", ""), taken("search_card", ""), taken("card_mark", ""));
  return {kind, first, again, std::isfinite(first.high)};
}

std::optional<gcbarrier::cost_model> calibrated() {
  auto opened = gcbarrier::uffd_async::open({});
  if (!opened) return std::nullopt;
  const auto find = gcheap::best_search().find;
  std::size_t found = 0;
  auto search = [&](address_range page) {
    gcheap::search(find, page, {8 * mebibyte, 16 * mebibyte}, [&found](void** /*slot*/) { ++found; });
  };
  const auto measured = gcbarrier::calibrate(*opened, {}, search);
  keep(found);
  if (!measured) return std::nullopt;
  return *measured;
}

}  // namespace

const cost* costs::find(const std::string& id, const std::string& mechanism) const {
  for (const cost& one : all) {
    if (one.id == id && one.mechanism == mechanism) return &one;
  }
  return nullptr;
}

costs measure_costs(const gcbarrier::machine_report& report, effort effort) {
  plan measurements;
  for (int i = 0; i < gcbarrier::mechanism_count; ++i) {
    if (!report.mechanisms[i].works()) continue;
    plan_smallest_scan(measurements, static_cast<mechanism_kind>(i));
    plan_mechanism(measurements, static_cast<mechanism_kind>(i));
  }
  plan_search(measurements);
  plan_cards(measurements);

  costs made;
  made.search = gcheap::best_search().name;
  made.all = measurements.carry_out(effort);
  made.repetitions = made.all.front().taken.size();
  made.all.push_back({"card_mark", "", "so a card mark costs",
                      each_repetition([](double with, double without) { return with - without; },
                                      made.find("store_card")->taken, made.find("store")->taken)});
  made.model = calibrated();
  for (int i = 0; i < gcbarrier::mechanism_count; ++i) {
    if (!report.mechanisms[i].works()) continue;
    const auto kind = static_cast<mechanism_kind>(i);
    made.from.push_back(stores_to_break_even(made, kind));
  }
  return made;
}

}  // namespace gcbench
