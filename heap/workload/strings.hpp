// String interning and a concordance over made-up text whose words follow Zipf's law: the demo's program
// without its files.
#ifndef GCHEAP_WORKLOAD_STRINGS_HPP
#define GCHEAP_WORKLOAD_STRINGS_HPP

#include <cstddef>
#include <cstdint>
#include <string>

#include "concordance.hpp"
#include "random.hpp"

namespace gcheap::workload {

struct strings {
  static constexpr const char* name = "strings";

  // `size` 1: 1.2 million words out of 200,000.
  template <class Heap>
  static std::uint64_t run(Heap& heap, double size) {
    const auto words = static_cast<std::size_t>(1200000 * size) + 100;
    random_numbers random(6);
    const zipf_ranks ranks(words / 6);
    concordance<Heap> book(heap);
    std::string line;
    for (std::uint32_t number = 0; number < words / 12; ++number) {
      line.clear();
      for (int i = 0; i < 12; ++i)
        line.append(1, 'w').append(std::to_string(ranks.draw(random))).append(1, ' ');
      book.add_line({number / 1000, number % 1000}, line);
      if (number % 1000 == 999) book.end_file();
    }
    return book.digest_value();
  }
};

}  // namespace gcheap::workload

#endif
