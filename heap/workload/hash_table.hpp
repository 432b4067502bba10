// A chained hash table from numbers to objects, as the LRU cache and the hash churn use it. Its types are
// declared scattered, as what a hash function leads to is.
#ifndef GCHEAP_WORKLOAD_HASH_TABLE_HPP
#define GCHEAP_WORKLOAD_HASH_TABLE_HPP

#include <cstddef>
#include <cstdint>

#include "../object.hpp"
#include "../roots.hpp"
#include "../type.hpp"
#include "arrays.hpp"
#include "out_of_memory.hpp"

namespace gcheap::workload {

// An entry knows its neighbours in the order of use, for who wants that.
struct table_entry {
  object header;
  scattered_field<table_entry> next;  // in the bucket
  scattered_field<table_entry> newer;
  scattered_field<table_entry> older;
  scattered_field<text> value;
  std::uint64_t key;

  static const type kind;
};
inline const type table_entry::kind =
    describe_scattered<table_entry, offsetof(table_entry, next), offsetof(table_entry, newer),
                       offsetof(table_entry, older), offsetof(table_entry, value)>("table_entry");

template <class Heap>
class hash_table {
 public:
  // `buckets` is a power of two.
  hash_table(Heap& heap, std::size_t buckets)
      : heap_(heap), buckets_(heap.roots(), make<scattered_array<table_entry>>(heap, buckets)) {}

  [[nodiscard]] table_entry* find(std::uint64_t key) {
    table_entry* e = bucket(key);
    while (e != nullptr && e->key != key) e = e->next;
    return e;
  }
  // The key must not be there. Its value is a string of `bytes` bytes.
  table_entry* insert(std::uint64_t key, std::size_t bytes) {
    root<table_entry> fresh(heap_.roots(), make<table_entry>(heap_));
    text* const value = make<text>(heap_, bytes);
    value->hash = key * 31;
    heap_.store(fresh->value, value);
    fresh->key = key;
    heap_.store(fresh->next, bucket(key).get());
    heap_.store(bucket(key), fresh.get());
    return fresh;
  }
  // The entry must be there.
  void remove(table_entry& entry) {
    scattered_field<table_entry>* from = &bucket(entry.key);
    while (from->get() != &entry) from = &(*from)->next;
    heap_.store(*from, entry.next.get());
  }
  // Twice as many buckets.
  void grow() {
    auto* const larger = make<scattered_array<table_entry>>(heap_, 2 * buckets_->size());
    scattered_array<table_entry>& smaller = *buckets_;
    buckets_ = larger;
    for (std::size_t i = 0; i < smaller.size(); ++i) {
      for (table_entry* e = smaller[i]; e != nullptr;) {
        table_entry* const next = e->next;
        heap_.store(e->next, bucket(e->key).get());
        heap_.store(bucket(e->key), e);
        e = next;
      }
    }
  }
  [[nodiscard]] std::size_t buckets() { return buckets_->size(); }

  // Calls f(entry) with each, in an order that depends on what was inserted and removed alone.
  template <class F>
  void each(F f) {
    scattered_array<table_entry>& all = *buckets_;
    for (std::size_t i = 0; i < all.size(); ++i) {
      for (table_entry* e = all[i]; e != nullptr; e = e->next) f(*e);
    }
  }

 private:
  scattered_field<table_entry>& bucket(std::uint64_t key) {
    return (*buckets_)[(key * 0x9E3779B97F4A7C15U >> 20) & (buckets_->size() - 1)];
  }

  Heap& heap_;
  root<scattered_array<table_entry>> buckets_;
};

}  // namespace gcheap::workload

#endif
