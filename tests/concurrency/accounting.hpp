// Numbered writes and collections, and the question whether each write is in the right set or the next.
#ifndef GCBARRIER_TESTS_CONCURRENCY_ACCOUNTING_HPP
#define GCBARRIER_TESTS_CONCURRENCY_ACCOUNTING_HPP

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

// One order of all writes and collections: whoever draws a number after something has happened draws a
// greater one.
class common_order {
 public:
  std::uint64_t next() { return last_.fetch_add(1, std::memory_order_seq_cst); }

 private:
  std::atomic<std::uint64_t> last_{1};
};

struct numbered_write {
  std::size_t page = 0;
  std::uint64_t began = 0;
  std::uint64_t ended = 0;
};

struct numbered_collection {
  std::uint64_t began = 0;
  std::uint64_t ended = 0;
  std::vector<bool> pages;  // the set
};

// Writes that are in no set in which they may be. A write that completed before a collection began is in that
// set or in one before it that it raced with. The collections are in order, and the last one began after
// every write.
inline std::vector<numbered_write> unaccounted(const std::vector<numbered_write>& writes,
                                               const std::vector<numbered_collection>& collections) {
  std::vector<numbered_write> lost;
  for (const numbered_write& write : writes) {
    auto one = std::partition_point(collections.begin(), collections.end(),
                                    [&](const numbered_collection& c) { return c.ended < write.began; });
    bool found = false;
    for (; one != collections.end() && !found; ++one) {
      found = one->pages[write.page];
      if (one->began > write.ended) break;  // the last one that may have it
    }
    if (!found) lost.push_back(write);
  }
  return lost;
}

#endif
