// An LRU cache under Zipf-distributed requests, as in front of a database. A hit moves an old entry to the
// front: six pointer stores, most into the few hot entries, some anywhere. Misses allocate and evict. Many
// old pages are dirty in every cycle with few stores to each: a hard case for tracking by page.
#ifndef GCHEAP_WORKLOAD_LRU_CACHE_HPP
#define GCHEAP_WORKLOAD_LRU_CACHE_HPP

#include <bit>
#include <cstddef>
#include <cstdint>

#include "../object.hpp"
#include "../roots.hpp"
#include "digest.hpp"
#include "hash_table.hpp"
#include "random.hpp"

namespace gcheap::workload {

template <class Heap>
class lru {
 public:
  lru(Heap& heap, std::size_t capacity)
      : heap_(heap),
        table_(heap, std::bit_ceil(capacity)),
        ends_(heap.roots(), make<table_entry>(heap)),
        room_(capacity) {
    heap_.store(ends_->newer, ends_.get());
    heap_.store(ends_->older, ends_.get());
  }

  // Whether it was there; it is now.
  bool request(std::uint64_t key) {
    if (table_entry* const found = table_.find(key)) {
      unlink(*found);
      link_newest(*found);
      return true;
    }
    if (room_ == 0) {
      table_entry& oldest = *ends_->newer.get();
      unlink(oldest);
      table_.remove(oldest);
    } else {
      --room_;
    }
    link_newest(*table_.insert(key, 64));
    return false;
  }

  [[nodiscard]] std::uint64_t digest_value() {
    digest sum;
    for (table_entry* e = ends_->older; e != ends_.get(); e = e->older) {
      sum.add(e->key);
      sum.add(e->value->hash);
    }
    return sum.value();
  }

 private:
  // A ring: ends_->older is the newest entry, ends_->newer the oldest.
  void link_newest(table_entry& e) {
    table_entry& second = *ends_->older.get();
    heap_.store(e.older, &second);
    heap_.store(e.newer, ends_.get());
    heap_.store(second.newer, &e);
    heap_.store(ends_->older, &e);
  }
  void unlink(table_entry& e) {
    heap_.store(e.newer->older, e.older.get());
    heap_.store(e.older->newer, e.newer.get());
  }

  Heap& heap_;
  hash_table<Heap> table_;
  root<table_entry> ends_;
  std::size_t room_;
};

struct lru_cache {
  static constexpr const char* name = "lru_cache";

  // `size` 1: 150,000 entries, 4 million requests over 1 million keys.
  template <class Heap>
  static std::uint64_t run(Heap& heap, double size) {
    const auto capacity = static_cast<std::size_t>(150000 * size) + 64;
    const std::size_t keys = capacity * 7;
    random_numbers random(2);
    const zipf_ranks ranks(keys);
    lru<Heap> cache(heap, capacity);
    std::uint64_t hits = 0;
    for (std::size_t i = 0; i < capacity * 27; ++i) {
      // Popular keys are not neighbours in memory.
      hits += cache.request(ranks.draw(random) * 0x9E3779B97F4A7C15U) ? 1 : 0;
    }
    digest sum;
    sum.add(hits);
    sum.add(cache.digest_value());
    return sum.value();
  }
};

}  // namespace gcheap::workload

#endif
