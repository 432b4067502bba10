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
using gcbarrier::conditional_card_table;

#define TABLES card_table, conditional_card_table

constexpr std::size_t card = card_table::card_bytes;

// Memory to store into: 256 cards, of which the first 64 stand for a nursery.
template <class Table>
struct covered {
  static constexpr std::size_t cards = 256;
  alignas(4096) static inline unsigned char memory[cards * card];

  address_range whole{memory, sizeof memory};
  address_range arena{memory + 64 * card, (cards - 64) * card};
  gcbarrier::result<Table> table = Table::open(whole);

  void** slot(std::size_t in_card, std::size_t offset = 0) {
    return reinterpret_cast<void**>(memory + in_card * card + offset);
  }
  address_range range(std::size_t first, std::size_t count) { return {memory + first * card, count * card}; }
  // A table that knows the arena and has nothing dirty.
  Table& clean() {
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

TEST_CASE_TEMPLATE("a store writes the slot and dirties its card alone", Table, TABLES) {
  covered<Table> on;
  Table& t = on.clean();
  int value = 0;
  t.store(on.slot(100, 504), &value);
  CHECK(*on.slot(100, 504) == &value);
  CHECK(runs(t.written()) == std::vector{on.range(100, 1)});
}

TEST_CASE_TEMPLATE("neighbouring cards make one run, others do not", Table, TABLES) {
  covered<Table> on;
  Table& t = on.clean();
  for (const std::size_t i : {70, 72, 71, 64, 255, 200}) t.store(on.slot(i), nullptr);
  CHECK(runs(t.written()) ==
        std::vector{on.range(64, 1), on.range(70, 3), on.range(200, 1), on.range(255, 1)});
}

TEST_CASE_TEMPLATE("written does not forget, rearm does", Table, TABLES) {
  covered<Table> on;
  Table& t = on.clean();
  t.store(on.slot(80), nullptr);
  CHECK(t.written().run_count() == 1);
  CHECK(t.written().run_count() == 1);
  t.rearm();
  CHECK(t.written().empty());
}

TEST_CASE_TEMPLATE("stores outside all arenas are not remembered", Table, TABLES) {
  covered<Table> on;
  Table& t = on.clean();
  t.store(on.slot(10), nullptr);
  CHECK(t.written().empty());
}

TEST_CASE_TEMPLATE("a new arena is in the next set, and forgotten by rearm even if written did not see it",
                   Table, TABLES) {
  covered<Table> on;
  REQUIRE(on.table);
  REQUIRE_FALSE(on.table->add_arena(on.range(64, 64)));
  CHECK(runs(on.table->written()) == std::vector{on.range(64, 64)});
  REQUIRE_FALSE(on.table->add_arena(on.range(128, 64)));  // as a collector does that grows while it promotes
  on.table->rearm();
  CHECK(on.table->written().empty());
}

TEST_CASE_TEMPLATE("what is retained is in the next set once, whether it was written or not", Table, TABLES) {
  covered<Table> on;
  Table& t = on.clean();
  t.store(on.slot(80), nullptr);
  t.store(on.slot(81), nullptr);
  (void)t.written();
  t.retain(address_range(on.slot(80), sizeof(void*)));
  t.retain(address_range(on.slot(90), sizeof(void*)));
  t.retain(address_range(on.slot(90, 64), sizeof(void*)));
  t.rearm();
  CHECK(runs(t.written()) == std::vector{on.range(80, 1), on.range(90, 1)});
  t.rearm();
  CHECK(t.written().empty());
}

TEST_CASE_TEMPLATE("what is retained in memory added before or after written() survives", Table, TABLES) {
  for (const bool before : {true, false}) {
    CAPTURE(before);
    covered<Table> on;
    REQUIRE(on.table);
    if (before) REQUIRE_FALSE(on.table->add_arena(on.arena));
    (void)on.table->written();
    if (!before) REQUIRE_FALSE(on.table->add_arena(on.arena));
    on.table->retain(on.range(100, 2));
    on.table->rearm();
    CHECK(runs(on.table->written()) == std::vector{on.range(100, 2)});
  }
}

TEST_CASE_TEMPLATE("retaining a few bytes retains every card that they touch", Table, TABLES) {
  covered<Table> on;
  Table& t = on.clean();
  t.retain(address_range(on.slot(80, 504), 2 * sizeof(void*)));
  CHECK(runs(t.written()) == std::vector{on.range(80, 2)});
}

TEST_CASE_TEMPLATE("any cycle of stores and retains gives the cards of a model", Table, TABLES) {
  covered<Table> on;
  Table& t = on.clean();
  std::mt19937 random(7);
  const auto pick = [&random](std::size_t below) { return static_cast<std::size_t>(random() % below); };
  std::set<std::size_t> expected;
  for (int cycle = 0; cycle < 300; ++cycle) {
    for (std::size_t n = pick(40); n > 0; --n) {
      const std::size_t at = 64 + pick(on.cards - 64);
      t.store(on.slot(at, 8 * pick(64)), nullptr);
      expected.insert(at);
    }
    std::set<std::size_t> seen;
    for (const address_range run : t.written()) {
      for (std::uintptr_t at = run.begin; at < run.end; at += card) seen.insert((at - on.whole.begin) / card);
    }
    REQUIRE(seen == expected);
    expected.clear();
    for (std::size_t n = pick(10); n > 0; --n) {
      const std::size_t at = 64 + pick(on.cards - 64);
      t.retain(on.range(at, 1));
      expected.insert(at);
    }
    t.rearm();
  }
}

TEST_CASE_TEMPLATE("bad ranges are refused", Table, TABLES) {
  covered<Table> on;
  CHECK(Table::open({}).error().code == EINVAL);
  CHECK(Table::open({on.memory + 8, card}).error().code == EINVAL);
  REQUIRE(on.table);
  CHECK(on.table->add_arena({on.memory + sizeof on.memory, card}).code == EINVAL);
  CHECK(on.table->add_arena({on.memory + 8, card}).code == EINVAL);
  REQUIRE_FALSE(on.table->add_arena(on.range(64, 2)));
  CHECK(on.table->add_arena(on.range(65, 2)).code == EEXIST);
}

TEST_CASE("a conditional mark writes to the table once a cycle; what is retained is marked already") {
  covered<conditional_card_table> on;
  conditional_card_table& t = on.clean();
  for (int i = 0; i < 3; ++i) t.store(on.slot(80, 8), nullptr);
  CHECK(runs(t.written()) == std::vector{on.range(80, 1)});
  t.retain(on.range(90, 1));  // clean until now: it stays retained through the next cycle
  t.rearm();
  t.store(on.slot(90), nullptr);
  CHECK(runs(t.written()) == std::vector{on.range(90, 1)});
  t.rearm();
  CHECK(t.written().empty());
  t.store(on.slot(90), nullptr);
  CHECK(runs(t.written()) == std::vector{on.range(90, 1)});
}

TEST_CASE("a table over a terabyte costs what is touched") {
  const std::size_t terabyte = std::size_t{1} << 40;
  auto table = card_table::open({terabyte, 2 * terabyte});
  REQUIRE(table);
  REQUIRE_FALSE(table->add_arena({terabyte + (terabyte >> 1), terabyte + (terabyte >> 1) + 4096}));
  CHECK(table->written().bytes() == 4096);
}

}  // namespace
