// A hash table whose entries come and go at random: each replacement writes two or three buckets and links
// anywhere in the old space. Uniform scattered writes, few to a page: the worst case for tracking by page,
// and it stays in the tables.
#ifndef GCHEAP_WORKLOAD_HASH_CHURN_HPP
#define GCHEAP_WORKLOAD_HASH_CHURN_HPP

#include <cstddef>
#include <cstdint>
#include <vector>

#include "../object.hpp"
#include "digest.hpp"
#include "hash_table.hpp"
#include "random.hpp"

namespace gcheap::workload {

struct hash_churn {
  static constexpr const char* name = "hash_churn";

  // `size` 1: 300,000 entries, 3 million replacements.
  template <class Heap>
  static std::uint64_t run(Heap& heap, double size) {
    const auto entries = static_cast<std::size_t>(300000 * size) + 64;
    random_numbers random(3);
    hash_table<Heap> table(heap, 64);
    std::vector<std::uint64_t> keys;
    while (keys.size() < entries) {
      if (keys.size() > table.buckets()) table.grow();
      keys.push_back(random.next());
      table.insert(keys.back(), 40);
    }
    for (std::size_t i = 0; i < 10 * entries; ++i) {
      std::uint64_t& key = keys[random.below(entries)];
      table.remove(*table.find(key));
      key = random.next();
      table.insert(key, 40);
    }
    digest sum;
    table.each([&sum](table_entry& e) {
      sum.add(e.key);
      sum.add(e.value->hash);
    });
    return sum.value();
  }
};

}  // namespace gcheap::workload

#endif
