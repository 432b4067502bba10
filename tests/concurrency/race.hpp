// Writers that race with a collector.
#ifndef GCBARRIER_TESTS_CONCURRENCY_RACE_HPP
#define GCBARRIER_TESTS_CONCURRENCY_RACE_HPP

#include <algorithm>
#include <atomic>
#include <barrier>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <gcbarrier/write_tracker.hpp>
#include <random>
#include <support/memory.hpp>
#include <thread>
#include <vector>

#include "accounting.hpp"

// How much longer than in the suite, from the environment.
inline std::size_t effort() {
  const char* const text = std::getenv("GCBARRIER_CONCURRENCY_EFFORT");
  const long times = text != nullptr ? std::atol(text) : 1;
  return times > 1 ? static_cast<std::size_t>(times) : 1;
}

struct race_options {
  support::memory_kind memory = support::memory_kind::small_pages;
  std::size_t pages = 512;
  std::size_t writers = 4;
  std::size_t collections = 1000;       // at least, while all writers write
  std::size_t writes = 20;              // at least, by each writer
  std::size_t most_writes = 2'000'000;  // that are remembered, of all writers together
  std::size_t rounds = 1;  // each with memory of its own, since a huge page stays whole only until a write
};

struct race_outcome {
  std::size_t writes = 0;
  std::size_t collections = 0;
  std::size_t raced = 0;  // writes that a collection began or ended during, or that fell into one
  std::size_t lost = 0;
  std::size_t problems = 0;     // collections with one
  std::size_t stale_pages = 0;  // at the end, in a copy that was brought up to date from the sets alone
};

template <class Tracker>
class race {
 public:
  // What the collector does for one set, and whether that forgets the writes.
  struct step {
    gcbarrier::dirty_set set;
    bool forgets = true;
  };
  using collector = std::function<step(Tracker&, std::size_t turn)>;
  static step collects(Tracker& tracker, std::size_t /*turn*/) { return {tracker.collect()}; }

  // `open` makes a new tracker for each round.
  template <class Open>
  static race_outcome run(const race_options& options, Open open, const collector& collect = collects) {
    race_outcome sum;
    // On a busy machine the writers may not get to run while the collector does: more rounds, until they
    // have.
    const auto enough = [&](std::size_t rounds) {
      return rounds >= options.rounds && (sum.raced > 0 || rounds >= options.rounds + 100);
    };
    for (std::size_t round = 0; !enough(round); ++round) {
      race one(options, open(), round);
      one.run_once(collect, sum);
    }
    return sum;
  }

 private:
  race(const race_options& options, Tracker tracker, std::size_t seed)
      : options_(options), heap_(options.memory, options.pages), tracker_(std::move(tracker)), seed_(seed) {
    if (tracker_.add_arena(heap_.range())) std::abort();
    tracker_.arm();
  }

  // A word of the page, different for each writer.
  std::atomic_ref<std::uint64_t> word(std::size_t page, std::size_t writer) const {
    const std::size_t offset = (writer * 256 + page * 8) % support::memory::page_size();
    return std::atomic_ref(*reinterpret_cast<std::uint64_t*>(heap_.page(page) + offset));
  }

  // Until the collector has had enough, or the log is full.
  void write(std::size_t writer, std::vector<numbered_write>& log) {
    std::mt19937_64 random(seed_ * 1000 + writer);
    while (log.size() < log.capacity() && (!enough_ || log.size() < options_.writes)) {
      numbered_write one;
      one.page = random() % options_.pages;
      one.began = order_.next();
      word(one.page, writer).store(one.began, std::memory_order_relaxed);
      one.ended = order_.next();
      log.push_back(one);
    }
  }

  void collect_once(const collector& collect, std::size_t turn, std::vector<numbered_collection>& log,
                    race_outcome& sum) {
    numbered_collection one;
    one.began = order_.next();
    const step answer = collect(tracker_, turn);
    one.ended = order_.next();
    one.pages.resize(options_.pages);
    for (const std::size_t page : heap_.pages_in(answer.set)) one.pages[page] = true;
    sum.problems += tracker_.problem() ? 1 : 0;
    // What a collector does with a set: it looks at these pages and at no others.
    for (std::size_t page = 0; page < options_.pages; ++page) {
      if (!one.pages[page]) continue;
      for (std::size_t writer = 0; writer < options_.writers; ++writer) {
        copy_[page * options_.writers + writer] = word(page, writer).load(std::memory_order_relaxed);
      }
    }
    if (answer.forgets) log.push_back(std::move(one));
  }

  void run_once(const collector& collect, race_outcome& sum) {
    copy_.assign(options_.pages * options_.writers, 0);
    for (std::size_t page = 0; page < options_.pages; ++page) {
      for (std::size_t writer = 0; writer < options_.writers; ++writer) {
        copy_[page * options_.writers + writer] = word(page, writer).load(std::memory_order_relaxed);
      }
    }
    std::vector<std::vector<numbered_write>> logs(options_.writers);
    for (auto& log : logs) log.reserve(options_.most_writes / options_.writers);
    std::vector<numbered_collection> collections;
    std::atomic<std::size_t> running{options_.writers};
    std::barrier start(static_cast<std::ptrdiff_t>(options_.writers) + 1);
    std::vector<std::thread> threads;
    for (std::size_t writer = 0; writer < options_.writers; ++writer) {
      threads.emplace_back([&, writer] {
        start.arrive_and_wait();
        write(writer, logs[writer]);
        --running;
      });
    }
    start.arrive_and_wait();
    std::size_t turn = 0;
    for (; running > 0; ++turn) {
      enough_ = turn >= options_.collections;
      collect_once(collect, turn, collections, sum);
    }
    for (std::thread& thread : threads) thread.join();
    collect_once(race::collects, turn, collections, sum);

    for (const auto& log : logs) {
      sum.writes += log.size();
      sum.lost += unaccounted(log, collections).size();
      for (const numbered_write& one : log) sum.raced += raced(one, collections) ? 1 : 0;
    }
    sum.collections += collections.size();
    for (std::size_t page = 0; page < options_.pages; ++page) {
      bool stale = false;
      for (std::size_t writer = 0; writer < options_.writers; ++writer) {
        stale |=
            copy_[page * options_.writers + writer] != word(page, writer).load(std::memory_order_relaxed);
      }
      sum.stale_pages += stale ? 1 : 0;
    }
  }

  static bool raced(const numbered_write& write, const std::vector<numbered_collection>& collections) {
    const auto one =
        std::partition_point(collections.begin(), collections.end(),
                             [&](const numbered_collection& c) { return c.ended < write.began; });
    return one != collections.end() && one->began < write.ended;
  }

  race_options options_;
  support::memory heap_;
  Tracker tracker_;
  std::size_t seed_;
  common_order order_;
  std::atomic<bool> enough_{false};
  std::vector<std::uint64_t> copy_;
};

#endif
