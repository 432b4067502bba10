// What a collector did and what it cost. Times are nanoseconds of wall clock.
#ifndef GCHEAP_STATISTICS_HPP
#define GCHEAP_STATISTICS_HPP

#include <cstddef>
#include <cstdint>
#include <vector>

namespace gcheap {

struct pause {
  std::uint64_t start;  // on std::chrono::steady_clock
  std::uint64_t ns;
  bool full;  // of nursery and old space; else of the nursery alone
};

struct statistics {
  std::vector<pause> pauses;  // one per collection, in their order

  // Sums over all collections.
  std::uint64_t written_ns = 0;    // asking the barrier what was written
  std::uint64_t search_ns = 0;     // searching it for pointers into the nursery
  std::uint64_t promote_ns = 0;    // copying survivors
  std::uint64_t sweep_ns = 0;      // marking and sweeping, in full collections
  std::uint64_t rearm_ns = 0;      // making the barrier ready for the next cycle
  std::uint64_t huge_page_ns = 0;  // moving cold memory to huge pages
  std::uint64_t verify_ns = 0;     // in the pauses too
  std::uint64_t observer_ns = 0;   // in no pause

  std::uint64_t dirty_bytes = 0;  // that were searched; a slot that the barrier lists is one word
  std::uint64_t dirty_pages =
      0;  // that hold at least one byte to be searched, whatever the barrier's granule
  std::uint64_t dirty_runs = 0;
  // Old slots found to point into the nursery. Without verification a barrier that lists slots may count one
  // twice.
  std::uint64_t remembered_slots = 0;
  std::uint64_t retained_slots = 0;  // that still did after the collection
  std::uint64_t promoted_bytes = 0;
  std::uint64_t promoted_objects = 0;
  std::uint64_t survivor_bytes = 0;  // copied in the nursery
  std::uint64_t survivor_objects = 0;
  std::uint64_t early_objects = 0;   // promoted before their age, as there was no room for more survivors
  std::uint64_t pinned_objects = 0;  // young ones that stayed where they were
  std::uint64_t swept_bytes = 0;
  std::uint64_t huge_pages = 0;  // that cold memory was moved to

  // Of full collections beside the mutator; their last pauses are among the full ones.
  std::uint64_t concurrent_marks = 0;     // finished
  std::uint64_t abandoned_marks = 0;      // for a full collection with the mutator stopped
  std::uint64_t concurrent_mark_ns = 0;   // on the marker's thread, with its waits for the processor
  std::uint64_t concurrent_rounds = 0;    // of scanning what was written meanwhile
  std::uint64_t scanned_again_bytes = 0;  // in them
  std::uint64_t final_scanned_bytes = 0;  // and in the final pauses
  std::uint64_t final_mark_ns = 0;

  std::uint64_t verified_collections = 0;
  std::uint64_t verified_slots =
      0;  // old slots that pointed into the nursery, by a walk of the whole old space
  std::uint64_t missed_slots = 0;    // those that the remembered set lacked: anything but 0 is a bug
  std::uint64_t dangling_slots = 0;  // that led to no object after a collection: anything but 0 is a bug
  std::uint64_t verified_marks = 0;  // that were set beside the mutator
  // Reachable objects that such a mark had missed, by another with the mutator stopped: anything but 0 is a
  // bug.
  std::uint64_t unmarked_objects = 0;

  [[nodiscard]] std::size_t collections() const { return pauses.size(); }
  [[nodiscard]] std::uint64_t pause_ns() const {
    std::uint64_t sum = 0;
    for (const pause& one : pauses) sum += one.ns;
    return sum;
  }
  // How long the minor collections took, or the full ones.
  [[nodiscard]] std::vector<std::uint64_t> minor_pauses() const { return lengths(false); }
  [[nodiscard]] std::vector<std::uint64_t> full_pauses() const { return lengths(true); }

 private:
  [[nodiscard]] std::vector<std::uint64_t> lengths(bool full) const {
    std::vector<std::uint64_t> some;
    for (const pause& one : pauses) {
      if (one.full == full) some.push_back(one.ns);
    }
    return some;
  }
};

}  // namespace gcheap

#endif
