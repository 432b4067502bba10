// What the demo shows of a heap: the states of pages, maps of them, recordings, and pictures made of letters.
#include <doctest/doctest.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <gcbarrier/barrier/kernel_barrier.hpp>
#include <gcbarrier/mechanism/uffd_async.hpp>
#include <gcbarrier/policy/cost_policy.hpp>
#include <heap/arena_pool.hpp>
#include <heap/demo/watch/cells.hpp>
#include <heap/demo/watch/live_map.hpp>
#include <heap/demo/watch/page_states.hpp>
#include <heap/demo/watch/recording.hpp>
#include <heap/reservation.hpp>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "support/faked_calls.hpp"
#include "support/skip.hpp"

namespace {

using namespace gcheap::demo;
using gcbarrier::address_range;

constexpr std::size_t step = gcheap::arena_step;

// Memory for an old space of some steps.
struct memory {
  gcheap::reservation all;
  std::size_t page = gcbarrier::kernel::page_size();

  explicit memory(std::size_t steps) {
    auto made = gcheap::reservation::make(steps * step, step);
    REQUIRE(made);
    all = std::move(*made);
    ::madvise(all.data(), steps * step, MADV_NOHUGEPAGE);
  }
  [[nodiscard]] char* at(std::size_t number) const { return static_cast<char*>(all.data()) + number * page; }
  void write(std::size_t number) const { *static_cast<volatile char*>(at(number)) = 1; }
  [[nodiscard]] address_range pages(std::size_t first, std::size_t count) const {
    return {at(first), count * page};
  }
};

std::set<std::size_t> with(const page_states& states, std::uint8_t flag) {
  std::set<std::size_t> numbers;
  for (std::size_t i = 0; i < states.flags().size(); ++i) {
    if ((states.flags()[i] & flag) != 0) numbers.insert(i);
  }
  return numbers;
}
using numbers = std::set<std::size_t>;

TEST_CASE("pages are numbered in the order in which steps come into use, and written only until forgotten") {
  const memory space(3);
  const std::size_t per_step = step / space.page;
  page_states states(space.all.range());
  CHECK(states.flags().empty());
  states.mark_written(space.pages(2 * per_step + 5, 2));
  states.mark_written({space.at(7) + 100, std::size_t{8}});
  states.mark_found(space.at(7) + 104);
  CHECK(states.flags().size() == 2 * per_step);
  CHECK(with(states, page_states::written) == numbers{5, 6, per_step + 7});
  CHECK(with(states, page_states::found) == numbers{per_step + 7});
  states.forget_writes();
  CHECK(with(states, page_states::written | page_states::found).empty());
  // What lies outside is not the old space's.
  states.mark_written({space.all.range().begin - 5 * space.page, space.all.range().begin + space.page});
  CHECK(with(states, page_states::written) == numbers{per_step});
}

TEST_CASE("the kernel tells which pages are in memory") {
  const memory space(1);
  page_states states(space.all.range());
  for (const std::size_t number : {3, 4, 900}) space.write(number);
  static_cast<void>(*static_cast<volatile char*>(space.at(50)));  // the zero page: read, not written
  if (!states.survey()) SKIP_TEST("no PAGEMAP_SCAN");
  CHECK(with(states, page_states::present) == numbers{3, 4, 900});
  CHECK(with(states, page_states::unprotected).empty());  // nobody protects this memory
  ::madvise(space.at(4), space.page, MADV_DONTNEED);
  CHECK(states.survey());
  CHECK(with(states, page_states::present) == numbers{3, 900});
}

TEST_CASE("the kernel tells which pages a collection left unprotected") {
  const memory space(1);
  auto barrier = gcbarrier::kernel_barrier<gcbarrier::uffd_async>::open();
  if (!barrier) SKIP_TEST("no uffd_async");
  for (std::size_t i = 0; i < 20; ++i) space.write(i);
  REQUIRE_FALSE(barrier->add_arena(space.all.range()));
  page_states states(space.all.range());
  CHECK(states.survey());
  CHECK(with(states, page_states::unprotected).size() == 20);
  barrier->rearm();
  CHECK(states.survey());
  CHECK(with(states, page_states::unprotected).empty());
  CHECK(with(states, page_states::present).size() == 20);  // not those that are protected and have no memory
  for (const std::size_t number : {2, 3, 17}) space.write(number);
  CHECK(states.survey());
  CHECK(with(states, page_states::unprotected) == numbers{2, 3, 17});
}

TEST_CASE("what the cost policy leaves unprotected is seen, and nothing else") {
  const memory space(1);
  auto barrier = gcbarrier::kernel_barrier<gcbarrier::uffd_async, gcbarrier::cost_policy>::open();
  if (!barrier) SKIP_TEST("no uffd_async");
  for (std::size_t i = 0; i < 40; ++i) space.write(i);
  REQUIRE_FALSE(barrier->add_arena(space.all.range()));
  barrier->rearm();
  // Written in each cycle, which makes the policy give up protecting them.
  for (int cycle = 0; cycle < 20; ++cycle) {
    for (std::size_t i = 0; i < 10; ++i) space.write(i);
    for (const address_range run : barrier->written()) barrier->found_young(run);
    barrier->rearm();
  }
  page_states states(space.all.range());
  CHECK(states.survey());
  CHECK(with(states, page_states::unprotected) == numbers{0, 1, 2, 3, 4, 5, 6, 7, 8, 9});
}

TEST_CASE("the kernel tells which pages are huge") {
  const memory space(1);
  constexpr std::size_t huge = std::size_t{2} << 20;
  ::madvise(space.all.data(), step, MADV_HUGEPAGE);
  space.write(0);
  space.write(huge / space.page);
  page_states states(space.all.range());
  if (!states.survey() || with(states, page_states::huge).empty()) SKIP_TEST("no huge pages to be had");
  CHECK(with(states, page_states::huge).size() % (huge / space.page) == 0);
  CHECK(with(states, page_states::huge).contains(5));
}

TEST_CASE("a kernel that cannot tell leaves what the barrier says") {
  support::faked_calls without([](long number, support::faked_calls::argument_list) -> std::optional<long> {
    if (number == SYS_ioctl) return -ENOTTY;
    return std::nullopt;
  });
  const memory space(1);
  page_states states(space.all.range(), without.calls());
  states.mark_written(space.pages(1, 1));
  CHECK_FALSE(states.survey());
  CHECK(with(states, page_states::present).size() == step / space.page);
  CHECK(with(states, page_states::written) == numbers{1});
  CHECK_FALSE(states.survey());
}

TEST_CASE("a survey of more runs than one call returns is complete") {
  const memory space(2);
  const std::size_t pages = 2 * step / space.page;
  for (std::size_t i = 0; i < pages; i += 3) space.write(i);
  page_states states(space.all.range());
  if (!states.survey()) SKIP_TEST("no PAGEMAP_SCAN");
  CHECK(with(states, page_states::present).size() == (pages + 2) / 3);
}

TEST_CASE("cells count their pages, and no more of them are made than asked for") {
  using p = page_states;
  const std::vector<std::uint8_t> pages{p::present | p::written, p::present | p::written | p::found, 0,
                                        p::present | p::unprotected | p::huge, p::present};
  CHECK(cells_of(pages, 2) == std::vector<cell>{{2, 2, 1, 0, 0}, {1, 0, 0, 1, 1}, {1, 0, 0, 0, 0}});
  CHECK(sum_of(pages) == cell{4, 2, 1, 1, 1});
  CHECK(pages_per_cell(0, 8) == 1);
  CHECK(pages_per_cell(8, 8) == 1);
  CHECK(pages_per_cell(9, 8) == 2);
  CHECK(pages_per_cell(1000, 8) == 128);
}

seen_collection collection(std::uint64_t number, const std::vector<std::uint8_t>& pages) {
  seen_collection now;
  now.number = number;
  now.at_ns = number * 1000;
  now.pause_ns = number % 100;
  now.full = number % 1000 == 0;
  now.pages = pages;
  now.sum = sum_of(pages);
  return now;
}

TEST_CASE("a long run is recorded in few steps, of which none hides a pause") {
  recording made;
  made.begin("long");
  const std::uint64_t collections = 5000;
  std::vector<std::uint8_t> pages;
  for (std::uint64_t number = 1; number <= collections; ++number) {
    pages.resize(number * 3, page_states::present);
    made.show(collection(number, pages));
  }
  made.end();
  const nlohmann::json& run = made.runs().at(0);
  const nlohmann::json& steps = run.at("steps");
  const std::size_t count = steps.at("number").size();
  CHECK(count <= recording::most_steps);
  CHECK(count > recording::most_steps / 2);
  CHECK(run.at("cells").get<std::size_t>() <= recording::most_cells);
  CHECK(run.at("cells").get<std::size_t>() * run.at("pages_per_cell").get<std::size_t>() >= pages.size());
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint64_t of = steps.at("collections").at(i);
    seen += of;
    CHECK(steps.at("number").at(i) == seen);
    std::uint64_t longest = 0;
    bool full = false;
    for (std::uint64_t number = seen - of + 1; number <= seen; ++number) {
      longest = std::max(longest, number % 100);
      full = full || number % 1000 == 0;
    }
    CHECK(steps.at("pause_ns").at(i) == longest);
    CHECK(steps.at("full").at(i) == (full ? 1 : 0));
    CHECK(steps.at("present").at(i) == seen * 3);
  }
  CHECK(seen == collections);
}

TEST_CASE("the recording of a run without a collection has no steps, and the next begins anew") {
  recording made;
  made.begin("none");
  made.end();
  made.begin("one");
  made.show(collection(1, {page_states::present}));
  made.end();
  CHECK(made.runs().at(0).at("cells") == 0);
  CHECK(made.runs().at(0).at("steps").at("number").empty());
  CHECK(made.runs().at(1).at("steps").at("number") == nlohmann::json{1});
}

// How many columns the text takes: escape sequences none, a sign of several bytes one.
std::size_t width(const std::string& text) {
  std::size_t columns = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\033') {
      while (text[i] != 'm') ++i;
    } else {
      columns += (static_cast<unsigned char>(text[i]) & 0xc0) != 0x80;
    }
  }
  return columns;
}

TEST_CASE("the picture fits every screen") {
  std::vector<std::uint8_t> pages(20000, page_states::present);
  for (std::size_t i = 0; i < pages.size(); i += 7) pages[i] |= page_states::written;
  const std::vector<std::uint64_t> pauses(300, 5);
  for (const screen::size size : {screen::size{80, 24}, {200, 60}, {40, 10}, {20, 6}, {3, 3}, {1, 1}}) {
    for (const map_style style : {map_style{false, false}, {true, false}, {false, true}, {true, true}}) {
      CAPTURE(size.columns);
      const auto lines = picture_of("uffd_async", collection(4, pages), pauses, size, style);
      CHECK(lines.size() <= size.rows);
      for (const std::string& line : lines) CHECK(width(line) <= size.columns);
    }
  }
}

TEST_CASE("the picture shows what most of a cell's pages are that are not clean") {
  using p = page_states;
  std::vector<std::uint8_t> pages(10, p::present);
  pages[1] |= p::written;
  pages[2] |= p::written | p::found;
  pages[3] |= p::unprotected;
  pages[4] |= p::huge;
  pages[5] = 0;
  const auto row = [&](std::size_t columns, map_style style) {
    return picture_of("x", collection(1, pages), {}, {columns, 7}, style).at(3);
  };
  CHECK(row(10, {}) == ".o#uH ....");
  CHECK(row(10, {true, false}) == ".o#uH ....");  // without colours only letters tell
  CHECK(row(5, {}) == "o#H..");                   // two pages a cell
  CHECK(row(10, {true, true}).find("\u2588") != std::string::npos);
}

TEST_CASE("the plain line has every number and no control signs") {
  std::vector<std::uint8_t> pages(10, page_states::present);
  pages[1] |= page_states::written;
  const std::string line = line_of("uffd_async", collection(12, pages));
  CHECK(line.find("uffd_async") == 0);
  CHECK(line.find("collection   12 minor") != std::string::npos);
  CHECK(line.find("1 searched") != std::string::npos);
  CHECK(line.find("of      10") != std::string::npos);
  CHECK(std::none_of(line.begin(), line.end(), [](char c) { return c < ' '; }));
}

}  // namespace
