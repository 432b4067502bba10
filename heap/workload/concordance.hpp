// A concordance: every word of some texts with the places where it occurs and the words that follow it, and a
// cache of the queries asked last. Stresses what such an index does to a collector: a large old space of
// small objects, pointer stores spread over it by the words' frequencies, stores of plain data into old
// objects (which page tables see and software barriers do not), lists as long as the text, tables that
// double, and an LRU that turns over.
#ifndef GCHEAP_WORKLOAD_CONCORDANCE_HPP
#define GCHEAP_WORKLOAD_CONCORDANCE_HPP

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include "../roots.hpp"
#include "concordance_objects.hpp"
#include "digest.hpp"
#include "out_of_memory.hpp"

namespace gcheap::workload {

// Heap is a collector<Barrier>. Everything throws out_of_memory when that has no room.
template <class Heap>
class concordance {
 public:
  static constexpr std::size_t longest_word = 63;  // bytes; what is longer is cut
  static constexpr std::size_t most_neighbours = 16;
  static constexpr std::size_t cache_size = 4096;
  static constexpr std::size_t words_per_query = 32;

  explicit concordance(Heap& heap) : heap_(heap), book_(heap.roots()), previous_(heap.roots()) {
    book_ = make<book>(heap_);
    auto* const buckets = make<array<entry>>(heap_, 1024);
    heap_.store(book_->buckets, buckets);
    auto* const answers = make<array<answer>>(heap_, cache_size);
    heap_.store(book_->answers, answers);
  }

  // Adds a line, without its line feed. Words run from line to line of a file.
  void add_line(place where, std::string_view line) {
    std::array<char, longest_word> word;
    std::size_t length = 0;
    for (const char c : line) {
      const char lower = letter(c);
      if (lower != '\0') {
        if (length < word.size()) word[length++] = lower;
      } else if (length != 0) {
        add_word(where, {word.data(), length});
        length = 0;
      }
    }
    if (length != 0) add_word(where, {word.data(), length});
  }
  void end_file() { previous_ = nullptr; }

  [[nodiscard]] std::size_t distinct_words() { return book_->words; }
  [[nodiscard]] std::uint64_t words() const { return words_; }
  [[nodiscard]] std::uint64_t queries() const { return queries_; }

  // What the index and the cache hold, in an order that depends on the texts alone.
  [[nodiscard]] std::uint64_t digest_value() {
    digest sum;
    sum.add(words_);
    array<entry>& buckets = *book_->buckets;
    for (std::size_t i = 0; i < buckets.size(); ++i) {
      for (entry* e = buckets[i]; e != nullptr; e = e->next) add_to(sum, *e);
    }
    for (answer* a = book_->newest; a != nullptr; a = a->older) {
      sum.add(a->word->word->view());
      sum.add(a->shown->view());
    }
    return sum.value();
  }

 private:
  // In lower case; '\0' for what is not part of a word. Bytes beyond ASCII are, as they are letters in UTF-8
  // mostly.
  static char letter(char c) {
    if (c >= 'A' && c <= 'Z') return static_cast<char>(c - 'A' + 'a');
    const bool part =
        (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || static_cast<unsigned char>(c) >= 0x80;
    return part ? c : '\0';
  }

  void add_word(place where, std::string_view characters) {
    root<entry> current(heap_.roots(), find_or_add(characters));
    ++current->count;
    add_place(current, where);
    if (previous_ != nullptr) follow(current);
    previous_ = current;
    if (++words_ % words_per_query == 0) {
      query(current);
      query(any_word());
    }
  }

  text* make_text(std::string_view characters) {
    auto* const fresh = make<text>(heap_, characters.size());
    fresh->hash = hash_of(characters);
    std::memcpy(bytes(&fresh->header), characters.data(), characters.size());
    return fresh;
  }

  // Looks it up by a string in the heap, as a program in a managed language would.
  entry* find_or_add(std::string_view characters) {
    root<text> word(heap_.roots(), make_text(characters));
    array<entry>& buckets = *book_->buckets;
    for (entry* e = buckets[word->hash % buckets.size()]; e != nullptr; e = e->next) {
      if (e->word->hash == word->hash && e->word->view() == word->view()) return e;
    }
    if (book_->words >= buckets.size()) grow();
    auto* const fresh = make<entry>(heap_);
    heap_.store(fresh->word, word.get());
    field<entry>& bucket = bucket_of(*fresh, *book_->buckets);
    heap_.store(fresh->next, bucket.get());
    heap_.store(bucket, fresh);
    ++book_->words;
    return fresh;
  }
  static field<entry>& bucket_of(entry& e, array<entry>& buckets) {
    return buckets[e.word->hash % buckets.size()];
  }

  void grow() {
    auto* const larger = make<array<entry>>(heap_, 2 * book_->buckets->size());
    array<entry>& smaller = *book_->buckets;
    for (std::size_t i = 0; i < smaller.size(); ++i) {
      for (entry* e = smaller[i]; e != nullptr;) {
        entry* const next = e->next;
        field<entry>& bucket = bucket_of(*e, *larger);
        heap_.store(e->next, bucket.get());
        heap_.store(bucket, e);
        e = next;
      }
    }
    heap_.store(book_->buckets, larger);
  }

  void add_place(root<entry>& word, place where) {
    place_block* block = word->places;
    if (block == nullptr || block->used == place_block::capacity) {
      auto* const fresh = make<place_block>(heap_);
      heap_.store(fresh->older, word->places.get());
      heap_.store(word->places, fresh);
      block = fresh;
    }
    block->places[block->used++] = where;
  }

  // Counts that `word` came after the previous one.
  void follow(root<entry>& word) {
    neighbour* before = nullptr;
    std::size_t length = 0;
    for (neighbour* n = previous_->neighbours; n != nullptr; before = n, n = n->next, ++length) {
      if (n->word.get() != word.get()) continue;
      ++n->count;
      if (before != nullptr && before->count < n->count) swap_with_next(*before);
      return;
    }
    if (length >= most_neighbours) drop_last(*previous_->neighbours.get());
    auto* const fresh = make<neighbour>(heap_);
    fresh->count = 1;
    heap_.store(fresh->word, word.get());
    heap_.store(fresh->next, previous_->neighbours.get());
    heap_.store(previous_->neighbours, fresh);
  }
  void swap_with_next(neighbour& first) {
    neighbour& second = *first.next;
    entry* const word = first.word;
    heap_.store(first.word, second.word.get());
    heap_.store(second.word, word);
    std::swap(first.count, second.count);
  }
  void drop_last(neighbour& first) {
    neighbour* n = &first;
    while (n->next->next != nullptr) n = n->next;
    heap_.store(n->next, static_cast<neighbour*>(nullptr));
  }

  // Pseudo-random, the same in every run.
  entry* any_word() {
    random_ ^= random_ << 13;
    random_ ^= random_ >> 7;
    random_ ^= random_ << 17;
    array<entry>& buckets = *book_->buckets;
    for (std::size_t i = random_ % buckets.size();; i = (i + 1) % buckets.size()) {
      if (buckets[i] != nullptr) return buckets[i];
    }
  }

  void query(entry* asked) {
    ++queries_;
    root<entry> word(heap_.roots(), asked);
    root<answer> found(heap_.roots(), cached(*word));
    if (found == nullptr) {
      if (book_->cached == cache_size) evict();
      found = make<answer>(heap_);
      heap_.store(found->word, word.get());
      field<answer>& bucket = answer_bucket(*word);
      heap_.store(found->next, bucket.get());
      heap_.store(bucket, found.get());
      ++book_->cached;
    } else {
      unlink(*found);
    }
    link_newest(*found);
    if (found->shown == nullptr || found->count != word->count) {
      text* const shown = make_text(describe_entry(*word));
      heap_.store(found->shown, shown);
      found->count = word->count;
    }
  }

  field<answer>& answer_bucket(entry& word) { return (*book_->answers)[word.word->hash % cache_size]; }
  answer* cached(entry& word) {
    answer* a = answer_bucket(word);
    while (a != nullptr && a->word.get() != &word) a = a->next;
    return a;
  }

  void link_newest(answer& a) {
    answer* const second = book_->newest;
    heap_.store(a.older, second);
    heap_.store(a.newer, static_cast<answer*>(nullptr));
    heap_.store(second == nullptr ? book_->oldest : second->newer, &a);
    heap_.store(book_->newest, &a);
  }
  void unlink(answer& a) {
    heap_.store(a.newer == nullptr ? book_->newest : a.newer->older, a.older.get());
    heap_.store(a.older == nullptr ? book_->oldest : a.older->newer, a.newer.get());
  }
  void evict() {
    answer& last = *book_->oldest;
    unlink(last);
    field<answer>* from = &answer_bucket(*last.word);
    while (from->get() != &last) from = &(*from)->next;
    heap_.store(*from, last.next.get());
    --book_->cached;
  }

  // The count, the latest places and the most frequent neighbours.
  static std::string describe_entry(const entry& e) {
    std::string line(e.word->view());
    line += ' ' + std::to_string(e.count) + ':';
    if (const place_block* const block = e.places) {
      for (std::size_t i = block->used; i > 0; --i) {
        const place& p = block->places[i - 1];
        line += ' ' + std::to_string(p.file) + '/' + std::to_string(p.line);
      }
    }
    int left = 5;
    for (const neighbour* n = e.neighbours; n != nullptr && left > 0; n = n->next, --left) {
      line += ' ';
      line += n->word->word->view();
      line += '*' + std::to_string(n->count);
    }
    return line;
  }

  static void add_to(digest& sum, entry& e) {
    sum.add(e.word->view());
    sum.add(e.count);
    for (place_block* b = e.places; b != nullptr; b = b->older) {
      for (std::size_t i = 0; i < b->used; ++i) {
        sum.add(std::uint64_t{b->places[i].file} << 32 | b->places[i].line);
      }
    }
    for (neighbour* n = e.neighbours; n != nullptr; n = n->next) {
      sum.add(n->word->word->hash);
      sum.add(n->count);
    }
  }

  Heap& heap_;
  root<book> book_;
  root<entry> previous_;  // the word before, in this file
  std::uint64_t words_ = 0;
  std::uint64_t queries_ = 0;
  std::uint64_t random_ = 88172645463325252U;
};

}  // namespace gcheap::workload

#endif
