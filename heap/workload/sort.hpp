// Sorting large arrays of pointers to boxed numbers, by merge sort, some boxes replaced between the rounds.
// One large old object written from end to end: dense stores, hundreds to a page, which is what page tracking
// likes and what a card table pays a mark for each time.
#ifndef GCHEAP_WORKLOAD_SORT_HPP
#define GCHEAP_WORKLOAD_SORT_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "../object.hpp"
#include "../roots.hpp"
#include "../type.hpp"
#include "arrays.hpp"
#include "digest.hpp"
#include "out_of_memory.hpp"
#include "random.hpp"

namespace gcheap::workload {

struct boxed_number {
  object header;
  std::uint64_t number;

  static const type kind;
};
inline const type boxed_number::kind = describe<boxed_number>("boxed_number");

struct sort {
  static constexpr const char* name = "sort";

  // `size` 1: 1 million numbers, sorted 4 times.
  template <class Heap>
  static std::uint64_t run(Heap& heap, double size) {
    const auto count = static_cast<std::size_t>(1000000 * size) + 64;
    random_numbers random(5);
    root<array<boxed_number>> numbers(heap.roots(), make<array<boxed_number>>(heap, count));
    root<array<boxed_number>> other(heap.roots(), make<array<boxed_number>>(heap, count));
    for (std::size_t i = 0; i < count; ++i) replace(heap, numbers, i, random);
    digest sum;
    for (int round = 0; round < 4; ++round) {
      merge_sort(heap, numbers, other);
      for (std::size_t i = 0; i < count; i += 97) sum.add((*numbers)[i]->number);
      for (std::size_t i = 0; i < count / 4; ++i) replace(heap, numbers, random.below(count), random);
    }
    return sum.value();
  }

 private:
  template <class Heap>
  static void replace(Heap& heap, root<array<boxed_number>>& numbers, std::size_t at,
                      random_numbers& random) {
    auto* const fresh = make<boxed_number>(heap);
    fresh->number = random.next();
    heap.store((*numbers)[at], fresh);
  }

  // Bottom up; the result is in the first array. Allocates nothing.
  template <class Heap>
  static void merge_sort(Heap& heap, root<array<boxed_number>>& numbers, root<array<boxed_number>>& other) {
    const std::size_t count = numbers->size();
    for (std::size_t width = 1; width < count; width *= 2) {
      for (std::size_t begin = 0; begin < count; begin += 2 * width) {
        const std::size_t middle = std::min(begin + width, count);
        const std::size_t end = std::min(begin + 2 * width, count);
        std::size_t left = begin;
        std::size_t right = middle;
        for (std::size_t to = begin; to < end; ++to) {
          const bool take_left =
              right == end || (left < middle && (*numbers)[left]->number <= (*numbers)[right]->number);
          heap.store((*other)[to], (*numbers)[take_left ? left++ : right++].get());
        }
      }
      array<boxed_number>* const sorted = other;
      other = numbers;
      numbers = sorted;
    }
  }
};

}  // namespace gcheap::workload

#endif
