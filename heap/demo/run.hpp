// Builds the concordance of the texts with one barrier.
#ifndef GCHEAP_DEMO_RUN_HPP
#define GCHEAP_DEMO_RUN_HPP

#include <gcbarrier/error.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "../barriers.hpp"
#include "../collector.hpp"
#include "../workload/concordance.hpp"
#include "input.hpp"
#include "outcome.hpp"
#include "progress.hpp"

namespace gcheap::demo {

inline std::string in_words(const gcbarrier::error& why) {
  std::array<char, 512> line{};
  why.describe(line.data(), line.size());
  return line.data();
}

template <class Heap>
void build(Heap& heap, const input& texts, std::size_t bytes, outcome& result) {
  workload::concordance book(heap);
  progress shown(result.barrier, bytes);
  each_line(texts, bytes, [&](std::uint32_t number, std::uint32_t line, std::string_view text) {
    if (line == end_of_document) return book.end_file();
    book.add_line({number, line}, text);
    shown.set_details(heap.statistics().collections(), heap.old_live_bytes());
    shown.advance(text.size() + 1);
  });
  result.words = book.words();
  result.distinct_words = book.distinct_words();
  result.queries = book.queries();
  result.digest = book.digest_value();
}

// The texts, round and round, up to `bytes`.
template <class Barrier>
outcome run(const input& texts, std::size_t bytes, bool verify) {
  outcome result;
  result.barrier = Barrier::name;
  collector_options options;
  options.old_bytes = std::max(options.old_bytes, 16 * bytes);
  options.verify = verify;
  auto heap = collector<Barrier>::open(options, open_barrier<Barrier>);
  if (!heap) {
    result.ended = outcome::state::unavailable;
    result.why = in_words(heap.error());
    return result;
  }
  const auto start = std::chrono::steady_clock::now();
  try {
    build(**heap, texts, bytes, result);
  } catch (const workload::out_of_memory& full) {
    result.ended = outcome::state::failed;
    result.why = full.what();
  }
  result.total_ns =
      static_cast<std::uint64_t>((std::chrono::steady_clock::now() - start) / std::chrono::nanoseconds(1));
  result.old_live_bytes = (*heap)->old_live_bytes();
  result.old_held_bytes = (*heap)->old_held_bytes();
  result.statistics = (*heap)->statistics();
  return result;
}

}  // namespace gcheap::demo

#endif
