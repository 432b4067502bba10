#include <heap/workload/concordance.hpp>

#include <random>
#include <string>
#include <vector>

#include "support.hpp"

namespace {

using gcheap::workload::concordance;
using gcheap::workload::place;
using heap_test::open_heap;
using heap_test::small_heap;

// Lines of made-up words, a few of them frequent, as in a language.
std::vector<std::string> lines(std::size_t count) {
  std::mt19937 random(1);
  std::vector<std::string> made(count);
  for (std::string& line : made) {
    for (int i = 0; i < 8; ++i) {
      const unsigned below = 1U << (random() % 14);
      line += "w" + std::to_string(random() % below) + (random() % 5 == 0 ? ", " : " ");
    }
  }
  return made;
}

template <class Barrier>
std::uint64_t digest(const std::vector<std::string>& text, gcheap::statistics* statistics = nullptr) {
  auto heap = open_heap<Barrier>();
  std::uint64_t value = 0;
  concordance book(*heap);
  for (std::uint32_t i = 0; i < text.size(); ++i) book.add_line({0, i}, text[i]);
  value = book.digest_value();
  if (statistics != nullptr) *statistics = heap->statistics();
  return value;
}

TEST_CASE_TEMPLATE("the answers do not depend on the barrier", Barrier, HEAP_TEST_BARRIERS) {
  static const std::vector<std::string> text = lines(20000);
  static const std::uint64_t expected = digest<gcbarrier::no_barrier>(text);
  gcheap::statistics statistics;
  CHECK(digest<Barrier>(text, &statistics) == expected);
  CHECK(statistics.minor_pauses().size() > 20);
  CHECK(statistics.missed_slots == 0);
}

TEST_CASE("the digest tells texts apart") {
  std::vector<std::string> text = lines(100);
  const std::uint64_t before = digest<gcbarrier::no_barrier>(text);
  text[50] += " w1";
  CHECK(digest<gcbarrier::no_barrier>(text) != before);
  text[50] = lines(100)[50];
  CHECK(digest<gcbarrier::no_barrier>(text) == before);
}

TEST_CASE("words are runs of letters and digits in lower case, cut when absurdly long") {
  auto heap = open_heap<gcbarrier::card_table>();
  concordance book(*heap);
  book.add_line({0, 1}, "The cat, the CAT... and\tthe na\xc3\xafve-cat2");
  CHECK(book.words() == 8);
  CHECK(book.distinct_words() == 5);
  book.add_line({0, 2}, "");
  book.add_line({0, 3}, " \t.,;");
  CHECK(book.words() == 8);
  book.add_line({0, 4}, std::string(1000, 'x') + " " + std::string(63, 'x'));
  CHECK(book.words() == 10);
  CHECK(book.distinct_words() == 6);
}

TEST_CASE("a full heap is an exception that says what to do") {
  gcheap::collector_options options = small_heap();
  options.old_bytes = gcheap::arena_step;
  options.verify = false;
  auto heap = open_heap<gcbarrier::card_table>(options);
  concordance book(*heap);
  const std::vector<std::string> text = lines(1000);
  const auto fill = [&] {
    for (std::uint32_t round = 0; round < 10000; ++round) {
      for (std::uint32_t i = 0; i < text.size(); ++i) book.add_line({round, i}, text[i]);
    }
  };
  CHECK_THROWS_WITH_AS(fill(), doctest::Contains("larger heap"), gcheap::workload::out_of_memory);
}

}  // namespace
