// A tracker over one armed arena, for tests that take its tracking away.
#ifndef GCBARRIER_TESTS_TRACKER_FAULTS_ARMED_TRACKER_HPP
#define GCBARRIER_TESTS_TRACKER_FAULTS_ARMED_TRACKER_HPP

#include <cstdio>
#include <cstdlib>
#include <gcbarrier/write_tracker.hpp>
#include <support/memory.hpp>
#include <utility>

// The mechanisms that this machine's kernel has; tests of them may not skip.
inline constexpr gcbarrier::mechanism_kind every_real_mechanism[] = {gcbarrier::mechanism_kind::uffd_async,
                                                                     gcbarrier::mechanism_kind::mprotect};

inline gcbarrier::write_tracker open_or_die(const gcbarrier::tracker_options& options) {
  gcbarrier::result<gcbarrier::write_tracker> opened = gcbarrier::write_tracker::open(options);
  if (opened) return std::move(*opened);
  char text[256];
  (void)opened.error().describe(text, sizeof text);
  std::fprintf(stderr, "%s\n", text);
  std::abort();
}

struct armed_tracker {
  explicit armed_tracker(gcbarrier::mechanism_kind kind, gcbarrier::kernel::system_calls calls = {},
                         support::memory_kind memory_kind = support::memory_kind::small_pages)
      : heap(memory_kind, 32, 48), tracker(open_or_die({.mechanism = kind, .calls = calls})) {
    if (tracker.add_arena(heap.range())) std::abort();
    tracker.arm();
  }

  [[nodiscard]] support::page_numbers pages(const gcbarrier::dirty_set& set) const {
    return heap.pages_in(set);
  }
  [[nodiscard]] support::page_numbers whole() const { return support::consecutive(0, heap.pages()); }

  // Whether the next answer is everything, and a problem is given.
  bool answers_everything() { return pages(tracker.collect()) == whole() && tracker.problem().code != 0; }
  // Whether the tracker is exact, one cycle after a loss.
  bool is_exact() {
    (void)tracker.collect();
    heap.write(3);
    heap.write(17);
    return pages(tracker.collect()) == support::page_numbers{3, 17} && !tracker.problem();
  }

  support::memory heap;
  gcbarrier::write_tracker tracker;
};

#endif
