// The check that every soundness test of a mechanism comes down to.
#ifndef GCBARRIER_TESTS_SUPPORT_LOST_PAGES_HPP
#define GCBARRIER_TESTS_SUPPORT_LOST_PAGES_HPP

#include <doctest/doctest.h>

#include <cstddef>
#include <gcbarrier/run_list.hpp>
#include <random>
#include <set>

#include "memory.hpp"

namespace support {

// Writes to random pages between collections, and returns those that no collection reported.
template <class Case, class M>
page_numbers lost_pages(Case& on, const memory& heap, M& mechanism, int rounds) {
  std::mt19937 random(1);
  gcbarrier::run_list runs;
  REQUIRE_FALSE(runs.reserve(heap.pages()));
  page_numbers lost;
  for (int round = 0; round < rounds; ++round) {
    std::set<std::size_t> written;
    for (std::size_t i = random() % 60; i > 0; --i) {
      const std::size_t page = random() % heap.pages();
      on.write(heap, page, static_cast<char>(random()));
      written.insert(page);
    }
    runs.clear();
    REQUIRE_FALSE(mechanism.read_and_protect(heap.range(), runs));
    for (const std::size_t page : heap.pages_in(runs.runs())) written.erase(page);
    lost.insert(lost.end(), written.begin(), written.end());
  }
  return lost;
}

}  // namespace support

#endif
