// The search of dirty memory for words that point into the nursery: one range test per word, in SIMD where
// the processor has it. Every barrier's dirty memory is searched by this.
#ifndef GCHEAP_SEARCH_HPP
#define GCHEAP_SEARCH_HPP

#include <gcbarrier/address_range.hpp>

#include <cstddef>
#include <cstdint>
#include <span>

namespace gcheap {

// Writes the addresses of all words in [first, first + count) whose value lies in `wanted` to `hits`, which
// has room for `count`; in address order. Returns how many there are.
using search_function = std::size_t (*)(void** first, std::size_t count, gcbarrier::address_range wanted,
                                        void*** hits);

struct search_method {
  const char* name;
  search_function find;
};

// What this processor can run, the slowest (portable) first and the best last.
std::span<const search_method> search_methods();

inline search_method best_search() {
  return search_methods().back();
}

// Calls f(slot) with every word of `memory` (word-aligned) whose value lies in `wanted`, in address order.
template <class F>
void search(search_function find, gcbarrier::address_range memory, gcbarrier::address_range wanted, F f) {
  constexpr std::size_t chunk = 512;
  void** hits[chunk];
  auto* const first = reinterpret_cast<void**>(memory.begin);  // NOLINT(performance-no-int-to-ptr)
  const std::size_t words = memory.bytes() / sizeof(void*);
  for (std::size_t at = 0; at < words; at += chunk) {
    const std::size_t found = find(first + at, words - at < chunk ? words - at : chunk, wanted, hits);
    for (std::size_t i = 0; i < found; ++i) f(hits[i]);
  }
}

}  // namespace gcheap

#endif
