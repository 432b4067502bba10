// Processes that may not do everything: sandboxes, other users, and what a tracker still does in them.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <gcbarrier/kernel/userfaultfd.hpp>
#include <support/child.hpp>
#include <support/sandbox.hpp>
#include <support/skip.hpp>

#include "armed_tracker.hpp"

namespace kernel = gcbarrier::kernel;
using gcbarrier::adopted_descriptors;
using gcbarrier::mechanism_kind;
using gcbarrier::write_tracker;
using support::exited;
using support::killed;
using support::memory;
using support::memory_kind;
using support::page_numbers;
using support::run_in_child;

namespace {

constexpr int could_not_prepare = 100;

// Past what else a child does at its end, and past ThreadSanitizer's _exit(), which writes out what is
// buffered.
[[noreturn]] void end(int status) {
  ::syscall(SYS_exit_group, status);
  std::abort();
}

// What uffd_async::adopt promises to keep to; then what the test's own code needs to run and to end, a
// sanitizer's included.
bool allow_only_what_adopted_trackers_need() {
  return support::filter_system_calls(
      SCMP_ACT_ALLOW,
      {SCMP_SYS(ioctl), SCMP_SYS(fstat), SCMP_SYS(msync), SCMP_SYS(mmap), SCMP_SYS(munmap), SCMP_SYS(madvise),
       SCMP_SYS(close), SCMP_SYS(brk), SCMP_SYS(clock_gettime), SCMP_SYS(futex), SCMP_SYS(sigaltstack),
       SCMP_SYS(exit_group)},
      SCMP_ACT_KILL_PROCESS);
}

adopted_descriptors open_for_adoption() {
  auto userfaultfd = kernel::open_userfaultfd({});
  if (!userfaultfd || kernel::negotiate_async({}, userfaultfd->number())) std::abort();
  return {userfaultfd->release(), ::open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC)};
}

// Every call once; 0 where every answer was right.
int use_all_of(write_tracker& tracker, const memory& heap) {
  if (tracker.add_arena(heap.range())) return 1;
  if (heap.pages_in(tracker.collect()) != support::consecutive(0, heap.pages())) return 2;
  heap.write(3);
  if (heap.pages_in(tracker.peek()) != page_numbers{3}) return 3;
  tracker.retain(heap.range(5, 1));
  tracker.arm();
  if (heap.pages_in(tracker.collect()) != page_numbers{5}) return 4;
  if (tracker.expect_writes(heap.range(8, 4))) return 5;
  heap.write(9);
  if (!tracker.collect().contains(heap.page(9)) || tracker.problem()) return 6;
  if (tracker.resize_arena(heap.data(), 8 * memory::page_size())) return 7;
  if (tracker.resize_arena(heap.data(), heap.bytes())) return 8;
  tracker.arm();
  heap.write(12);
  if (heap.pages_in(tracker.collect()) != page_numbers{12} || tracker.problem()) return 9;
  if (tracker.remove_arena(heap.data())) return 10;
  heap.touch();
  return tracker.collect().empty() && tracker.arena_count() == 0 ? 0 : 11;
}

// Some cycles of a tracker that has an arena already.
int cycles(armed_tracker& one) {
  for (std::size_t page = 0; page < 20; ++page) {
    one.heap.write(page);
    if (one.pages(one.tracker.collect()) != page_numbers{page} || one.tracker.problem()) return 1;
  }
  return 0;
}

}  // namespace

TEST_CASE("sandbox: adopted descriptors, in one that kills for all but seven system calls") {
  CHECK(run_in_child([] {
          const adopted_descriptors opened = open_for_adoption();
          const memory heap(memory_kind::small_pages, 16);
          if (!allow_only_what_adopted_trackers_need()) return could_not_prepare;
          int status = 0;
          {
            write_tracker tracker = open_or_die({.adopted = opened});
            status = use_all_of(tracker, heap);
          }
          end(status);
        }) == exited(0));
}

TEST_CASE("sandbox: the same one kills for opening a tracker, and a file") {
  CHECK(run_in_child([] {
          if (!allow_only_what_adopted_trackers_need()) return could_not_prepare;
          (void)write_tracker::open({.mechanism = mechanism_kind::uffd_async});
          end(0);
        }) == killed(SIGSYS));
  CHECK(run_in_child([] {
          if (!allow_only_what_adopted_trackers_need()) return could_not_prepare;
          end(::open("/proc/self/maps", O_RDONLY) < 0 ? 1 : 0);
        }) == killed(SIGSYS));
}

TEST_CASE("sandbox: a tracker that was opened before it goes on") {
  CHECK(run_in_child([] {
          armed_tracker one(mechanism_kind::uffd_async);
          if (!allow_only_what_adopted_trackers_need()) return could_not_prepare;
          end(cycles(one));
        }) == exited(0));
}

TEST_CASE("sandbox: a child cannot use adopted descriptors, says so, and leaves the parent's memory alone") {
  write_tracker tracker = open_or_die({.adopted = open_for_adoption()});
  const memory heap(memory_kind::small_pages, 16);
  REQUIRE_FALSE(tracker.add_arena(heap.range()));
  tracker.arm();
  heap.write(5);
  CHECK(run_in_child([&] {
          for (int i = 0; i < 3; ++i) {
            heap.write(7);
            if (heap.pages_in(tracker.collect()) != support::consecutive(0, 16)) return 1;
            if (tracker.problem().code != EPERM) return 2;
            tracker.arm();
            if (tracker.problem().code != EPERM) return 3;
            if (!tracker.expect_writes(heap.range()) && !tracker.problem()) return 4;
          }
          const memory more(memory_kind::small_pages, 4);
          if (!tracker.add_arena(more.range())) return 5;
          (void)tracker.remove_arena(heap.data());
          return 0;
        }) == exited(0));
  heap.write(6);
  CHECK(heap.pages_in(tracker.collect()) == page_numbers{5, 6});
  CHECK_FALSE(tracker.problem());
}

TEST_CASE("sandbox: adopted descriptors that somebody closed are lost for good, and that is told") {
  const adopted_descriptors opened = open_for_adoption();
  write_tracker tracker = open_or_die({.adopted = opened});
  const memory heap(memory_kind::small_pages, 16);
  REQUIRE_FALSE(tracker.add_arena(heap.range()));
  tracker.arm();
  ::close(opened.userfaultfd);
  for (int i = 0; i < 3; ++i) {
    heap.write(7);
    CHECK(heap.pages_in(tracker.collect()) == support::consecutive(0, 16));
    CHECK(tracker.problem().code == EPERM);
  }
}

TEST_CASE("sandbox: userfaultfd is refused") {
  for (const int code : {EPERM, ENOSYS}) {
    CAPTURE(code);
    CHECK(run_in_child([code] {
            // Root could go by the device.
            if (!support::without_privileges()) return could_not_prepare;
            if (!support::filter_system_calls(SCMP_ACT_ERRNO(static_cast<unsigned>(code)),
                                              {SCMP_SYS(userfaultfd)}, SCMP_ACT_ALLOW)) {
              return could_not_prepare;
            }
            const auto named = write_tracker::open({.mechanism = mechanism_kind::uffd_async});
            if (named || named.error().code != code || *named.error().advice == '\0') return 1;
            write_tracker tracker = open_or_die({});
            if (tracker.kind() == mechanism_kind::uffd_async) return 2;
            if (tracker.choice().refused[static_cast<int>(mechanism_kind::uffd_async)].code != code) return 3;
            const memory heap(memory_kind::small_pages, 16);
            if (tracker.add_arena(heap.range())) return 4;
            tracker.arm();
            heap.write(9);
            return heap.pages_in(tracker.collect()) == page_numbers{9} && !tracker.problem() ? 0 : 5;
          }) == exited(0));
  }
}

TEST_CASE("sandbox: userfaultfd is refused, and /dev/userfaultfd is there") {
  if (::access("/dev/userfaultfd", R_OK | W_OK) != 0) SKIP_TEST("/dev/userfaultfd cannot be opened");
  CHECK(run_in_child([] {
          if (!support::filter_system_calls(SCMP_ACT_ERRNO(EPERM), {SCMP_SYS(userfaultfd)}, SCMP_ACT_ALLOW)) {
            return could_not_prepare;
          }
          armed_tracker one(mechanism_kind::uffd_async);
          return cycles(one);
        }) == exited(0));
}

TEST_CASE("sandbox: userfaultfd is refused once a tracker is open; a child of the process is lost") {
  for (const int code : {EPERM, ENOSYS}) {
    CAPTURE(code);
    CHECK(run_in_child([code] {
            if (!support::without_privileges()) return could_not_prepare;
            armed_tracker one(mechanism_kind::uffd_async);
            if (!support::filter_system_calls(SCMP_ACT_ERRNO(static_cast<unsigned>(code)),
                                              {SCMP_SYS(userfaultfd)}, SCMP_ACT_ALLOW)) {
              return could_not_prepare;
            }
            if (cycles(one) != 0) return 1;
            const auto child = run_in_child([&one, code] {
              for (int i = 0; i < 2; ++i) {
                if (!one.answers_everything() || one.tracker.problem().code != code) return 1;
              }
              return 0;
            });
            if (child != exited(0)) return 2;
            return cycles(one) == 0 ? 0 : 3;
          }) == exited(0));
  }
}

TEST_CASE("sandbox: an unprivileged user") {
  for (const mechanism_kind kind : every_real_mechanism) {
    CAPTURE(name_of(kind));
    CHECK(run_in_child([kind] {
            if (!support::without_privileges()) return could_not_prepare;
            const memory heap(memory_kind::small_pages, 16);
            write_tracker tracker = open_or_die({.mechanism = kind});
            return use_all_of(tracker, heap);
          }) == exited(0));
  }
}

TEST_CASE("sandbox: a process that is not dumpable") {
  if (::geteuid() != 0) SKIP_TEST("becoming another user needs root");
  CHECK(run_in_child([] {
          if (!support::without_privileges()) return could_not_prepare;
          armed_tracker before(mechanism_kind::uffd_async);
          ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
          // What is open goes on; nothing new can be opened.
          if (cycles(before) != 0) return 1;
          const auto refused = write_tracker::open({.mechanism = mechanism_kind::uffd_async});
          if (refused || refused.error().code != EACCES) return 2;
          {
            armed_tracker fallback(mechanism_kind::mprotect);
            if (cycles(fallback) != 0) return 3;
          }
          const auto child = run_in_child([&before] {
            for (int i = 0; i < 2; ++i) {
              if (!before.answers_everything() || before.tracker.problem().code != EACCES) return 1;
            }
            ::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
            if (!before.answers_everything()) return 2;
            return before.is_exact() ? 0 : 3;
          });
          if (child != exited(0)) return 4;
          return cycles(before) == 0 ? 0 : 5;
        }) == exited(0));
}
