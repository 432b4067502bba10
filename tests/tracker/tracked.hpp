// A write_tracker on each mechanism, and tests' shorthand for what it says.
#ifndef GCBARRIER_TESTS_TRACKER_TRACKED_HPP
#define GCBARRIER_TESTS_TRACKER_TRACKED_HPP

#include <doctest/doctest.h>

#include <cstddef>
#include <gcbarrier/write_tracker.hpp>
#include <support/mechanism_cases.hpp>
#include <support/memory.hpp>
#include <utility>

#define MECHANISMS support::uffd_case, support::mprotect_case, support::soft_dirty_case

namespace support {

template <class Case>
struct tracked {
  Case on;
  gcbarrier::write_tracker tracker = open(on);

  static gcbarrier::write_tracker open(Case& on) {
    auto opened = gcbarrier::write_tracker::open(
        {.mechanism = Case::mechanism::kind(), .adopted = std::nullopt, .calls = on.calls()});
    REQUIRE(opened);
    return std::move(*opened);
  }

  // One arena, armed.
  void watch(const memory& heap) {
    on.models(heap.range());
    REQUIRE_FALSE(tracker.add_arena(heap.range()));
    arm();
  }
  void arm() {
    tracker.arm();
    CHECK_FALSE(tracker.problem());
  }
  page_numbers collect(const memory& heap) {
    page_numbers written = heap.pages_in(tracker.collect());
    CHECK_FALSE(tracker.problem());
    return written;
  }
  page_numbers peek(const memory& heap) {
    page_numbers written = heap.pages_in(tracker.peek());
    CHECK_FALSE(tracker.problem());
    return written;
  }
};

// Runs the test over armed memory of each kind.
template <class Case, class F>
void for_each_kind(F test) {
  for (const memory_kind kind : every_memory_kind) {
    CAPTURE(name_of(kind));
    const memory heap(kind, 600);
    tracked<Case> one;
    one.watch(heap);
    test(one, heap);
  }
}

}  // namespace support

#endif
