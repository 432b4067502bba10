// SIGSEGV handlers that replace ours and take ours for their predecessor, another copy of this library among
// them: a fault that is nobody's goes once to each, and never round in circles.
#include <doctest/doctest.h>
#include <gcbarrier/gcbarrier.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <gcbarrier/write_tracker.hpp>
#include <optional>
#include <support/child.hpp>
#include <support/memory.hpp>
#include <utility>

using support::exited;
using support::memory;
using support::memory_kind;

namespace {

using tracker = gcbarrier::basic_write_tracker<gcbarrier::mprotect_segv>;

// Memory that is not the library's to look after, read-only, and how often each handler was asked about it.
memory* stranger = nullptr;
std::atomic<std::size_t> asked_before{0};
std::atomic<std::size_t> asked_after{0};
struct sigaction predecessor {};

void lock_stranger() {
  ::mprotect(stranger->data(), stranger->bytes(), PROT_READ);
}
// The program's own, from before the library: knows what to do.
void before(int /*number*/, siginfo_t* /*info*/, void* /*context*/) {
  if (++asked_before > 100) ::_exit(99);
  ::mprotect(stranger->data(), stranger->bytes(), PROT_READ | PROT_WRITE);
}
// Crash reporters, installed later: they take note and hand on, by a call or by putting back what was there.
void calls_predecessor(int number, siginfo_t* info, void* context) {
  if (++asked_after > 100) ::_exit(98);
  predecessor.sa_sigaction(number, info, context);
}
void restores_predecessor(int /*number*/, siginfo_t* /*info*/, void* /*context*/) {
  if (++asked_after > 100) ::_exit(98);
  ::sigaction(SIGSEGV, &predecessor, nullptr);
}
using handler = void (*)(int, siginfo_t*, void*);
void install(handler one, struct sigaction* replaced) {
  struct sigaction action {};
  action.sa_sigaction = one;
  action.sa_flags = SA_SIGINFO;
  ::sigaction(SIGSEGV, &action, replaced);
}

tracker open_tracker() {
  auto mechanism = gcbarrier::mprotect_segv::open({});
  if (!mechanism) ::_exit(97);
  auto opened = tracker::over(std::move(*mechanism));
  if (!opened) ::_exit(97);
  return std::move(*opened);
}

// The copy of the library that libgcbarrier.so contains.
struct other_copy {
  gcb_tracker* tracker = nullptr;
  other_copy() {
    gcb_options options = GCB_OPTIONS_INIT;
    options.mechanism = GCB_MPROTECT;
    if (gcb_open(&options, &tracker, nullptr) != 0) ::_exit(96);
  }
  ~other_copy() { gcb_close(tracker); }
  other_copy(const other_copy&) = delete;
  other_copy& operator=(const other_copy&) = delete;
  // Whether exactly this page is in the set.
  bool collects(const memory& heap, std::size_t page) const {
    gcb_dirty_set set;
    gcb_collect(tracker, &set);
    return gcb_dirty_bytes(&set) == memory::page_size() && gcb_contains(&set, heap.page(page)) != 0;
  }
};
bool collects(tracker& one, const memory& heap, std::size_t page) {
  const auto set = one.collect();
  return set.bytes() == memory::page_size() && set.contains(heap.page(page));
}

}  // namespace

TEST_CASE("handlers: one that has replaced ours and hands on to it is asked once, and so is the one before") {
  for (const handler reporter : {&calls_predecessor, &restores_predecessor}) {
    CAPTURE(reporter == &calls_predecessor);
    CHECK(support::run_in_child([=] {
            memory elsewhere(memory_kind::small_pages, 1);
            stranger = &elsewhere;
            install(&before, nullptr);
            const memory heap(memory_kind::small_pages, 8);
            std::optional<tracker> ours = open_tracker();
            if (ours->add_arena(heap.range())) return 1;
            ours->arm();
            install(reporter, &predecessor);
            (void)ours->collect();  // covers the reporter
            for (std::size_t round = 1; round <= 4; ++round) {
              heap.write(round);
              lock_stranger();
              elsewhere.write(0);
              if (asked_before != round) return 2;
              // A reporter that has put its predecessor back is gone.
              if (asked_after != (reporter == &calls_predecessor ? round : 1)) return 3;
              heap.write(round);
              if (ours && !collects(*ours, heap, round)) return 4;
              if (round == 3) ours.reset();  // the reporter still has us for its predecessor
            }
            ours = open_tracker();
            if (ours->add_arena(heap.range())) return 5;
            ours->arm();
            heap.write(6);
            if (!collects(*ours, heap, 6)) return 6;
            lock_stranger();
            elsewhere.write(0);
            if (asked_before != 5) return 7;
            return 0;
          }) == exited(0));
  }
}

TEST_CASE("handlers: two copies of the library in one process share the signal") {
  CHECK(support::run_in_child([] {
          memory elsewhere(memory_kind::small_pages, 1);
          stranger = &elsewhere;
          install(&before, nullptr);
          const memory heap(memory_kind::small_pages, 8);
          const memory other_heap(memory_kind::small_pages, 8);
          tracker ours = open_tracker();
          const other_copy other;
          if (ours.add_arena(heap.range())) return 1;
          if (gcb_add_arena(other.tracker, other_heap.data(), other_heap.bytes(), nullptr) != 0) return 2;
          ours.arm();
          gcb_arm(other.tracker);
          for (std::size_t page = 1; page <= 4; ++page) {
            heap.write(page);
            other_heap.write(page + 1);
            lock_stranger();
            elsewhere.write(0);
            if (asked_before != page) return 3;
            heap.write(page);
            other_heap.write(page + 1);
            // In turns, so that now the one and now the other is on top.
            if (page % 2 == 0 && !collects(ours, heap, page)) return 4;
            if (!other.collects(other_heap, page + 1)) return 5;
            if (page % 2 != 0 && !collects(ours, heap, page)) return 6;
          }
          return 0;
        }) == exited(0));
}

TEST_CASE("handlers: a crash under two copies of the library is a crash") {
  CHECK(support::run_in_child([] {
          ::signal(SIGSEGV, SIG_DFL);  // the sanitizers have a handler of their own
          const memory heap(memory_kind::small_pages, 8);
          const memory other_heap(memory_kind::small_pages, 8);
          tracker ours = open_tracker();
          const other_copy other;
          if (ours.add_arena(heap.range())) return 1;
          if (gcb_add_arena(other.tracker, other_heap.data(), other_heap.bytes(), nullptr) != 0) return 2;
          for (int round = 0; round < 3; ++round) {
            ours.arm();
            gcb_arm(other.tracker);
            (void)ours.collect();
          }
          const memory read_only(memory_kind::small_pages, 1);
          ::mprotect(read_only.data(), read_only.bytes(), PROT_READ);
          read_only.write(0);
          return 3;
        }) == support::killed(SIGSEGV));
}
