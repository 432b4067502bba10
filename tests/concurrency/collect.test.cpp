// Writers race with collect(): each write is accounted to the right set or the next. Sets may be wider, never
// narrower. GCBARRIER_CONCURRENCY_EFFORT=n makes it n times as long.
#include <doctest/doctest.h>

#include <gcbarrier/mechanism/uffd_sync.hpp>
#include <support/dropping.hpp>

#include "careless.hpp"
#include "race.hpp"

using gcbarrier::mechanism_kind;
using gcbarrier::mprotect_segv;
using gcbarrier::uffd_async;
using gcbarrier::uffd_sync;
using gcbarrier::write_tracker;
using support::memory_kind;

namespace {

constexpr std::size_t writer_counts[] = {1, 2, 4, 16};

auto opens(mechanism_kind kind) {
  return [kind] {
    auto opened = write_tracker::open({.mechanism = kind});
    REQUIRE(opened);
    return std::move(*opened);
  };
}
// A tracker over `wrap(honest mechanism)`.
template <class Mechanism>
auto opens_over(auto wrap) {
  using wrapped = decltype(wrap(std::declval<Mechanism>()));
  return [wrap] {
    auto honest = Mechanism::open({});
    REQUIRE(honest);
    auto made = gcbarrier::basic_write_tracker<wrapped>::over(wrap(std::move(*honest)));
    REQUIRE(made);
    return std::move(*made);
  };
}
template <class Open>
using opened_by = decltype(std::declval<Open>()());

void require_all_accounted(const race_options& options, mechanism_kind kind,
                           const race<write_tracker>::collector& collector = race<write_tracker>::collects) {
  CAPTURE(name_of(kind));
  CAPTURE(name_of(options.memory));
  CAPTURE(options.writers);
  const race_outcome outcome = race<write_tracker>::run(options, opens(kind), collector);
  CHECK(outcome.writes > 0);
  // Without races this would be no test of them.
  CHECK(outcome.raced > 0);
  CHECK(outcome.collections > options.rounds);
  CHECK(outcome.lost == 0);
  CHECK(outcome.stale_pages == 0);
  CHECK(outcome.problems == 0);
}

}  // namespace

TEST_CASE("race: collect(), uffd_async, small pages") {
  for (const std::size_t writers : writer_counts) {
    require_all_accounted({.writers = writers, .collections = 3000 * effort()}, mechanism_kind::uffd_async);
  }
}

TEST_CASE("race: collect(), uffd_async, huge pages, which the first write to each splits") {
  for (const std::size_t writers : writer_counts) {
    require_all_accounted({.memory = memory_kind::huge_pages,
                           .pages = 2048,
                           .writers = writers,
                           .collections = 20,
                           .most_writes = 50'000,
                           .rounds = 20 * effort()},
                          mechanism_kind::uffd_async);
  }
}

TEST_CASE("race: collect(), uffd_async, other kinds of memory") {
  for (const memory_kind kind :
       {memory_kind::memfd_shared, memory_kind::memfd_private, memory_kind::untouched}) {
    require_all_accounted({.memory = kind, .collections = 1000 * effort()}, mechanism_kind::uffd_async);
  }
}

TEST_CASE("race: collect(), mprotect, small pages") {
  for (const std::size_t writers : writer_counts) {
    require_all_accounted({.pages = 128, .writers = writers, .collections = 300 * effort()},
                          mechanism_kind::mprotect);
  }
}

TEST_CASE("race: collect(), mprotect, huge pages") {
  for (const std::size_t writers : writer_counts) {
    require_all_accounted({.memory = memory_kind::huge_pages,
                           .pages = 512,
                           .writers = writers,
                           .collections = 20,
                           .most_writes = 50'000,
                           .rounds = 5 * effort()},
                          mechanism_kind::mprotect);
  }
}

TEST_CASE("race: collect(), uffd_sync, whose monitor thread takes part") {
  const auto open = opens_over<uffd_sync>([](uffd_sync honest) { return honest; });
  for (const std::size_t writers : writer_counts) {
    CAPTURE(writers);
    const race_outcome outcome = race<opened_by<decltype(open)>>::run(
        {.pages = 128, .writers = writers, .collections = 30 * effort(), .most_writes = 20'000}, open);
    CHECK(outcome.raced > 0);
    CHECK(outcome.lost == 0);
    CHECK(outcome.stale_pages == 0);
    CHECK(outcome.problems == 0);
  }
}

TEST_CASE("race: peek() and expect_writes() between the collections lose nothing") {
  for (const mechanism_kind kind : {mechanism_kind::uffd_async, mechanism_kind::mprotect}) {
    const std::size_t collections = kind == mechanism_kind::mprotect ? 300 : 2000;
    require_all_accounted({.pages = 128, .collections = collections * effort()}, kind,
                          [](write_tracker& tracker, std::size_t turn) -> race<write_tracker>::step {
                            if (turn % 3 == 0) return {tracker.peek(), false};
                            if (turn % 3 == 1) {
                              const auto set = tracker.peek();
                              if (!set.empty()) (void)tracker.expect_writes(*set.begin());
                            }
                            return {tracker.collect()};
                          });
  }
}

TEST_CASE("race: the accounting itself") {
  const auto set = [](std::uint64_t began, std::uint64_t ended, bool has) {
    return numbered_collection{began, ended, {has}};
  };
  const auto lost = [](numbered_write write, const std::vector<numbered_collection>& collections) {
    return unaccounted({write}, collections).size() == 1;
  };
  // Between two collections: in the second, and nowhere else.
  CHECK_FALSE(lost({0, 30, 31}, {set(10, 20, false), set(40, 50, true), set(60, 70, false)}));
  CHECK(lost({0, 30, 31}, {set(10, 20, true), set(40, 50, false), set(60, 70, true)}));
  // During the first: in that or the second.
  CHECK_FALSE(lost({0, 12, 14}, {set(10, 20, true), set(40, 50, false), set(60, 70, false)}));
  CHECK_FALSE(lost({0, 12, 14}, {set(10, 20, false), set(40, 50, true), set(60, 70, false)}));
  CHECK(lost({0, 12, 14}, {set(10, 20, false), set(40, 50, false), set(60, 70, true)}));
  // Begun before and ended during, or the other way round.
  CHECK_FALSE(lost({0, 8, 14}, {set(10, 20, false), set(40, 50, true)}));
  CHECK_FALSE(lost({0, 18, 24}, {set(10, 20, true), set(40, 50, false)}));
  CHECK(lost({0, 18, 24}, {set(10, 20, false), set(40, 50, false), set(60, 70, true)}));
}

TEST_CASE("race: negative control, a mechanism that drops a page now and then is caught") {
  std::size_t seen = 0;
  const auto open = opens_over<uffd_async>([&seen](uffd_async honest) {
    return support::dropping<uffd_async>(std::move(honest),
                                         [&seen](gcbarrier::address_range) { return ++seen % 100 == 0; });
  });
  std::size_t lost = 0;
  for (int attempt = 0; attempt < 20 && lost == 0; ++attempt) {
    lost = race<opened_by<decltype(open)>>::run({.collections = 500}, open).lost;
  }
  CHECK(lost > 0);
}

TEST_CASE_TEMPLATE("race: negative control, reading and protecting in two steps is caught", Mechanism,
                   uffd_async, mprotect_segv) {
  const auto open = opens_over<Mechanism>([](Mechanism honest) { return two_steps(std::move(honest)); });
  std::size_t lost = 0;
  for (int attempt = 0; attempt < 20 && lost == 0; ++attempt) {
    lost = race<opened_by<decltype(open)>>::run({.pages = 128, .collections = 300}, open).lost;
  }
  CHECK(lost > 0);
}
