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
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "../barriers.hpp"
#include "../collector.hpp"
#include "../workload/concordance.hpp"
#include "input.hpp"
#include "outcome.hpp"
#include "progress.hpp"
#include "watch/watcher.hpp"

namespace gcheap::demo {

inline std::string in_words(const gcbarrier::error& why) {
  std::array<char, 512> line{};
  why.describe(line.data(), line.size());
  return line.data();
}

struct run_options {
  std::size_t bytes = 0;  // of text, the documents over and over
  bool verify = false;    // this and the next as in collector_options
  std::size_t torture = 0;
  bool progress = true;              // on standard error
  std::span<viewer* const> viewers;  // see each collection
};

template <class Heap>
void build(Heap& heap, const input& texts, const run_options& options, watcher* watching, outcome& result) {
  workload::concordance book(heap);
  progress shown(result.barrier, options.bytes, options.progress);
  each_line(texts, options.bytes, [&](std::uint32_t number, std::uint32_t line, std::string_view text) {
    if (line == end_of_document) return book.end_file();
    if (watching != nullptr) watching->set_done(shown.share());
    book.add_line({number, line}, text);
    shown.set_details(heap.statistics().collections(), heap.old_live_bytes());
    shown.advance(text.size() + 1);
  });
  result.words = book.words();
  result.distinct_words = book.distinct_words();
  result.queries = book.queries();
  result.digest = book.digest_value();
}

template <class Barrier>
outcome run(const input& texts, const run_options& options) {
  outcome result;
  result.barrier = Barrier::name;
  collector_options sizes;
  sizes.old_bytes = std::max(sizes.old_bytes, 16 * options.bytes);
  sizes.verify = options.verify;
  sizes.torture = options.torture;
  auto heap = collector<Barrier>::open(sizes, open_barrier<Barrier>);
  if (!heap) {
    result.ended = outcome::state::unavailable;
    result.why = in_words(heap.error());
    return result;
  }
  std::optional<watcher> watching;
  if (!options.viewers.empty()) {
    watching.emplace((*heap)->old_range(), options.viewers);
    (*heap)->observe(&*watching);
  }
  for (viewer* const one : options.viewers) one->begin(result.barrier);
  const auto start = std::chrono::steady_clock::now();
  try {
    build(**heap, texts, options, watching ? &*watching : nullptr, result);
  } catch (const workload::out_of_memory& full) {
    result.ended = outcome::state::failed;
    result.why = full.what();
  }
  result.total_ns =
      static_cast<std::uint64_t>((std::chrono::steady_clock::now() - start) / std::chrono::nanoseconds(1));
  for (viewer* const one : options.viewers) one->end();
  result.old_live_bytes = (*heap)->old_live_bytes();
  result.old_held_bytes = (*heap)->old_held_bytes();
  result.statistics = (*heap)->statistics();
  result.total_ns -= result.statistics.observer_ns;
  return result;
}

}  // namespace gcheap::demo

#endif
