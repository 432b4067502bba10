// The objects that a concordance consists of, all of them in the collected heap.
#ifndef GCHEAP_WORKLOAD_CONCORDANCE_OBJECTS_HPP
#define GCHEAP_WORKLOAD_CONCORDANCE_OBJECTS_HPP

#include <cstddef>
#include <cstdint>

#include "../object.hpp"
#include "../type.hpp"
#include "arrays.hpp"

namespace gcheap::workload {

struct place {
  std::uint32_t file;
  std::uint32_t line;
};

// The places where a word occurs, newest block first.
struct place_block {
  static constexpr std::size_t capacity = 7;

  object header;
  field<place_block> older;
  std::size_t used;
  place places[capacity];

  static const type kind;
};
inline const type place_block::kind = describe<place_block, offsetof(place_block, older)>("place_block");

struct entry;

// One of the words that follow a word, in a list that keeps the frequent ones in front.
struct neighbour {
  object header;
  field<neighbour> next;
  field<entry> word;
  std::uint64_t count;

  static const type kind;
};
inline const type neighbour::kind =
    describe<neighbour, offsetof(neighbour, next), offsetof(neighbour, word)>("neighbour");

struct entry {
  object header;
  field<entry> next;  // in the bucket
  field<text> word;
  field<place_block> places;
  field<neighbour> neighbours;
  std::uint64_t count;

  static const type kind;
};
inline const type entry::kind = describe<entry, offsetof(entry, next), offsetof(entry, word),
                                         offsetof(entry, places), offsetof(entry, neighbours)>("entry");

// What a query for a word found, kept among those used last.
struct answer {
  object header;
  field<answer> newer;
  field<answer> older;
  field<answer> next;  // in the bucket
  field<entry> word;
  field<text> shown;
  std::uint64_t count;  // the word's when this was made

  static const type kind;
};
inline const type answer::kind =
    describe<answer, offsetof(answer, newer), offsetof(answer, older), offsetof(answer, next),
             offsetof(answer, word), offsetof(answer, shown)>("answer");

// The root of it all.
struct book {
  object header;
  field<array<entry>> buckets;
  field<array<answer>> answers;  // the cache's buckets
  field<answer> newest;
  field<answer> oldest;
  std::size_t words;
  std::size_t cached;

  static const type kind;
};
inline const type book::kind = describe<book, offsetof(book, buckets), offsetof(book, answers),
                                        offsetof(book, newest), offsetof(book, oldest)>("book");

}  // namespace gcheap::workload

#endif
