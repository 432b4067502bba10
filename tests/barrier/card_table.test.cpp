#include <doctest/doctest.h>
#include <gcbarrier/barrier/card_table.hpp>
#include <gcbarrier/barrier/none.hpp>

#include <cerrno>
#include <cstdint>
#include <random>
#include <set>
#include <vector>

namespace {

using gcbarrier::address_range;
using gcbarrier::card_table;

constexpr std::size_t card = card_table::card_bytes;

// Memory to store into: 256 cards, of which the first 64 stand for a nursery.
struct fixture {
  static constexpr std::size_t cards = 256;
  alignas(4096) static inline unsigned char memory[cards * card];

  address_range whole{memory, sizeof memory};
  address_range arena{memory + 64 * card, (cards - 64) * card};
  gcbarrier::result<card_table> table = card_table::open(whole);

  void** slot(std::size_t in_card, std::size_t offset = 0) {
    return reinterpret_cast<void**>(memory + in_card * card + offset);
  }
  address_range range(std::size_t first, std::size_t count) { return {memory + first * card, count * card}; }
  // A table that knows the arena and has nothing dirty.
  card_table& clean() {
    REQUIRE(table);
    REQUIRE_FALSE(table->add_arena(arena));
    (void)table->written();
    table->rearm();
    REQUIRE(table->written().empty());
    return *table;
  }
};

std::vector<address_range> runs(gcbarrier::dirty_set set) {
  return {set.begin(), set.end()};
}

TEST_CASE_FIXTURE(fixture, "a store writes the slot and dirties its card alone") {
  card_table& t = clean();
  int value = 0;
  t.store(slot(100, 504), &value);
  CHECK(*slot(100, 504) == &value);
  CHECK(runs(t.written()) == std::vector{range(100, 1)});
}

TEST_CASE_FIXTURE(fixture, "neighbouring cards make one run, others do not") {
  card_table& t = clean();
  for (const std::size_t i : {70, 72, 71, 64, 255, 200}) t.store(slot(i), nullptr);
  CHECK(runs(t.written()) == std::vector{range(64, 1), range(70, 3), range(200, 1), range(255, 1)});
}

TEST_CASE_FIXTURE(fixture, "written does not forget, rearm does") {
  card_table& t = clean();
  t.store(slot(80), nullptr);
  CHECK(t.written().run_count() == 1);
  CHECK(t.written().run_count() == 1);
  t.rearm();
  CHECK(t.written().empty());
}

TEST_CASE_FIXTURE(fixture, "stores outside all arenas are not remembered") {
  card_table& t = clean();
  t.store(slot(10), nullptr);
  CHECK(t.written().empty());
}

TEST_CASE_FIXTURE(fixture,
                  "a new arena is in the next set, and forgotten by rearm even if written did not see it") {
  REQUIRE(table);
  REQUIRE_FALSE(table->add_arena(range(64, 64)));
  CHECK(runs(table->written()) == std::vector{range(64, 64)});
  REQUIRE_FALSE(table->add_arena(range(128, 64)));  // as a collector does that grows while it promotes
  table->rearm();
  CHECK(table->written().empty());
}

TEST_CASE_FIXTURE(fixture, "what is retained is in the next set once, whether it was written or not") {
  card_table& t = clean();
  t.store(slot(80), nullptr);
  t.store(slot(81), nullptr);
  (void)t.written();
  t.retain(address_range(slot(80), sizeof(void*)));
  t.retain(address_range(slot(90), sizeof(void*)));
  t.retain(address_range(slot(90, 64), sizeof(void*)));
  t.rearm();
  CHECK(runs(t.written()) == std::vector{range(80, 1), range(90, 1)});
  t.rearm();
  CHECK(t.written().empty());
}

TEST_CASE_FIXTURE(fixture, "what is retained in memory added after written() survives") {
  REQUIRE(table);
  (void)table->written();
  REQUIRE_FALSE(table->add_arena(arena));
  table->retain(range(100, 2));
  table->rearm();
  CHECK(runs(table->written()) == std::vector{range(100, 2)});
}

TEST_CASE_FIXTURE(fixture, "any cycle of stores and retains gives the cards of a model") {
  card_table& t = clean();
  std::mt19937 random(7);
  const auto pick = [&random](std::size_t below) { return static_cast<std::size_t>(random() % below); };
  std::set<std::size_t> expected;
  for (int cycle = 0; cycle < 300; ++cycle) {
    for (std::size_t n = pick(40); n > 0; --n) {
      const std::size_t at = 64 + pick(cards - 64);
      t.store(slot(at, 8 * pick(64)), nullptr);
      expected.insert(at);
    }
    std::set<std::size_t> seen;
    for (const address_range run : t.written()) {
      for (std::uintptr_t at = run.begin; at < run.end; at += card) seen.insert((at - whole.begin) / card);
    }
    REQUIRE(seen == expected);
    expected.clear();
    for (std::size_t n = pick(10); n > 0; --n) {
      const std::size_t at = 64 + pick(cards - 64);
      t.retain(range(at, 1));
      expected.insert(at);
    }
    t.rearm();
  }
}

TEST_CASE_FIXTURE(fixture, "bad ranges are refused") {
  CHECK(card_table::open({}).error().code == EINVAL);
  CHECK(card_table::open({memory + 8, card}).error().code == EINVAL);
  REQUIRE(table);
  CHECK(table->add_arena({memory + sizeof memory, card}).code == EINVAL);
  CHECK(table->add_arena({memory + 8, card}).code == EINVAL);
  REQUIRE_FALSE(table->add_arena(range(64, 2)));
  CHECK(table->add_arena(range(65, 2)).code == EEXIST);
}

TEST_CASE("a table over a terabyte costs what is touched") {
  const std::size_t terabyte = std::size_t{1} << 40;
  auto table = card_table::open({terabyte, 2 * terabyte});
  REQUIRE(table);
  REQUIRE_FALSE(table->add_arena({terabyte + (terabyte >> 1), terabyte + (terabyte >> 1) + 4096}));
  CHECK(table->written().bytes() == 4096);
}

}  // namespace
