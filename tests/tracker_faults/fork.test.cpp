// Forked processes with an inherited tracker: its descriptors name the parent's memory, so the child must not
// use them, and must not be taken in by them.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <support/child.hpp>
#include <thread>
#include <vector>

#include "armed_tracker.hpp"

using gcbarrier::mechanism_kind;
using support::exited;
using support::memory;
using support::memory_kind;
using support::page_numbers;
using support::run_in_child;

namespace {

// What a child can do with its tracker, one after the other; 0 where every answer was right.
int use_in_child(armed_tracker& one) {
  one.heap.write(20);
  if (one.pages(one.tracker.collect()) != one.whole()) return 1;
  if (one.tracker.problem().code != ECHILD) return 2;
  one.heap.write(6);
  if (one.pages(one.tracker.collect()) != page_numbers{6}) return 3;
  if (one.tracker.problem()) return 4;
  one.heap.write(7);
  if (one.pages(one.tracker.peek()) != page_numbers{7}) return 5;
  one.tracker.arm();
  if (!one.pages(one.tracker.collect()).empty()) return 6;
  return 0;
}

void for_each_private_kind(const auto& body) {
  for (const mechanism_kind kind : every_real_mechanism) {
    for (const memory_kind of : {memory_kind::small_pages, memory_kind::huge_pages,
                                 memory_kind::memfd_private, memory_kind::untouched}) {
      CAPTURE(name_of(kind));
      CAPTURE(name_of(of));
      armed_tracker one(kind, {}, of);
      body(one);
    }
  }
}

}  // namespace

TEST_CASE("fork: the child's first set is everything, then it is exact; the parent loses nothing") {
  for_each_private_kind([](armed_tracker& one) {
    one.heap.write(5);
    CHECK(run_in_child([&] { return use_in_child(one); }) == exited(0));
    one.heap.write(11);
    CHECK(one.pages(one.tracker.collect()) == page_numbers{5, 11});
    CHECK_FALSE(one.tracker.problem());
    CHECK(one.is_exact());
  });
}

TEST_CASE("fork: a child's arena grows into its reserve, and so does the parent's") {
  for (const mechanism_kind kind : every_real_mechanism) {
    CAPTURE(name_of(kind));
    const memory heap(memory_kind::small_pages, 32);
    auto tracker = open_or_die({.mechanism = kind});
    REQUIRE_FALSE(tracker.add_arena(heap.range(0, 8), 16 * memory::page_size()));
    tracker.arm();
    heap.write(5);
    // The first call that meets the fork is the one that grows it, or one that looks.
    const auto grow = [&](bool look) {
      if (look && heap.pages_in(tracker.collect()).empty()) return 1;
      if (tracker.resize_arena(heap.data(), 20 * memory::page_size())) return 2;
      heap.write(19);
      if (!heap.pages_in(tracker.collect()).contains(19)) return 3;
      heap.write(18);
      if (heap.pages_in(tracker.collect()) != page_numbers{18}) return 4;
      return 0;
    };
    CHECK(run_in_child([&] { return grow(false); }) == exited(0));
    CHECK(run_in_child([&] { return grow(true); }) == exited(0));
    CHECK(heap.pages_in(tracker.peek()) == page_numbers{5});
    CHECK(grow(true) == 0);
  }
}

TEST_CASE(
    "fork: shared memory, whose writes by the child the parent does not see, is tracked by each for itself") {
  for (const mechanism_kind kind : every_real_mechanism) {
    CAPTURE(name_of(kind));
    armed_tracker one(kind, {}, memory_kind::memfd_shared);
    one.heap.write(5);
    CHECK(run_in_child([&] { return use_in_child(one); }) == exited(0));
    CHECK(one.pages(one.tracker.collect()) == page_numbers{5});
    CHECK(one.is_exact());
  }
}

// Each call that a child may make first.
TEST_CASE("fork: whatever the child calls first, it and the parent are right") {
  using call = int (*)(armed_tracker&);
  constexpr std::array<call, 8> first_calls = {
      [](armed_tracker& one) {
        one.tracker.arm();
        one.heap.write(4);
        return one.pages(one.tracker.collect()) == page_numbers{4} && !one.tracker.problem() ? 0 : 1;
      },
      [](armed_tracker& one) {
        if (one.pages(one.tracker.peek()) != one.whole() || !one.tracker.problem()) return 1;
        return one.pages(one.tracker.collect()) == one.whole() && one.tracker.problem() ? 0 : 2;
      },
      [](armed_tracker& one) {
        const memory other(memory_kind::small_pages, 4);
        if (one.tracker.add_arena(other.range())) return 1;
        const auto set = one.tracker.collect();
        if (one.pages(set) != one.whole() || !set.contains(other.page(0))) return 2;
        return one.tracker.problem().code == ECHILD ? 0 : 3;
      },
      [](armed_tracker& one) {
        one.heap.grow(40);
        if (one.tracker.resize_arena(one.heap.data(), one.heap.bytes())) return 1;
        return one.answers_everything() ? 0 : 2;
      },
      [](armed_tracker& one) {
        if (one.tracker.resize_arena(one.heap.data(), 8 * memory::page_size())) return 1;
        if (one.pages(one.tracker.collect()) != support::consecutive(0, 8)) return 2;
        for (std::size_t page = 0; page < 32; ++page) one.heap.write(page, 3);
        return one.pages(one.tracker.collect()) == support::consecutive(0, 8) ? 0 : 3;
      },
      [](armed_tracker& one) {
        if (one.tracker.remove_arena(one.heap.data())) return 1;
        one.heap.touch();
        return one.tracker.collect().empty() ? 0 : 2;
      },
      [](armed_tracker& one) {
        if (one.tracker.expect_writes(one.heap.range(3, 5))) return 1;
        // By a system call, which with mprotect fails on what is protected.
        const int zeroes = ::open("/dev/zero", O_RDONLY | O_CLOEXEC);
        if (::read(zeroes, one.heap.page(3), memory::page_size()) <= 0) return 3;
        return one.answers_everything() ? 0 : 2;
      },
      [](armed_tracker& one) {
        one.tracker.retain(one.heap.range(3, 5));
        one.tracker.always_dirty(one.heap.range(20, 1));
        if (!one.answers_everything()) return 1;
        return one.pages(one.tracker.collect()) == page_numbers{20} ? 0 : 2;
      }};
  for (std::size_t i = 0; i < first_calls.size(); ++i) {
    CAPTURE(i);
    for_each_private_kind([&](armed_tracker& one) {
      one.heap.write(5);
      CHECK(run_in_child([&] { return first_calls[i](one); }) == exited(0));
      CHECK(one.pages(one.tracker.collect()) == page_numbers{5});
      CHECK_FALSE(one.tracker.problem());
      CHECK(one.is_exact());
    });
  }
}

TEST_CASE("fork: a child that ends its tracker leaves the parent's alone") {
  for_each_private_kind([](armed_tracker& one) {
    one.heap.write(5);
    CHECK(run_in_child([&] {
            { const gcbarrier::write_tracker ended = std::move(one.tracker); }
            one.heap.touch();
            return 0;
          }) == exited(0));
    one.heap.write(6);
    CHECK(one.pages(one.tracker.collect()) == page_numbers{5, 6});
    CHECK_FALSE(one.tracker.problem());
  });
}

TEST_CASE("fork: between peek() and arm()") {
  for_each_private_kind([](armed_tracker& one) {
    one.heap.write(5);
    CHECK(one.pages(one.tracker.peek()) == page_numbers{5});
    one.tracker.retain(one.heap.range(9, 1));
    CHECK(run_in_child([&] {
            one.tracker.arm();
            if (one.pages(one.tracker.collect()) != page_numbers{9}) return 1;
            return one.is_exact() ? 0 : 2;
          }) == exited(0));
    one.tracker.arm();
    one.heap.write(6);
    CHECK(one.pages(one.tracker.peek()) == page_numbers{6, 9});
    one.tracker.arm();
    CHECK(one.is_exact());
  });
}

TEST_CASE("fork: parent and child collect at the same time, and a grandchild too") {
  for_each_private_kind([](armed_tracker& one) {
    // Writes one page a cycle, and expects it.
    const auto cycles = [&one](int count) {
      for (int i = 0; i < count; ++i) {
        const auto page = static_cast<std::size_t>(i * 7 % 32);
        one.heap.write(page, static_cast<char>(i));
        if (one.pages(one.tracker.collect()) != page_numbers{page}) return false;
      }
      return true;
    };
    std::atomic<int> child_status{-1};
    std::thread family([&] {
      const auto outcome = run_in_child([&] {
        if (!one.answers_everything()) return 1;
        const auto grandchild = run_in_child([&] {
          if (!one.answers_everything()) return 1;
          return cycles(100) ? 0 : 2;
        });
        if (grandchild != exited(0)) return 2;
        return cycles(100) ? 0 : 3;
      });
      child_status = outcome == exited(0) ? 0 : 1;
    });
    CHECK(cycles(300));
    family.join();
    CHECK(child_status == 0);
    CHECK(one.is_exact());
  });
}

TEST_CASE("fork: out of a process whose other threads write and collect") {
  for (const mechanism_kind kind : every_real_mechanism) {
    CAPTURE(name_of(kind));
    armed_tracker one(kind);
    std::atomic<bool> stop{false};
    std::atomic<std::size_t> narrow{0};
    std::thread collector([&] {
      while (!stop) {
        one.heap.write(31);
        if (!one.tracker.collect().contains(one.heap.page(31))) ++narrow;
      }
    });
    std::thread writer([&] {
      for (std::size_t i = 0; !stop; ++i) one.heap.write(i % 16);
    });
    for (int i = 0; i < 40; ++i) {
      // The collector's thread may have been inside a call.
      CHECK(run_in_child([&] {
              one.heap.write(20, 2);
              if (!one.answers_everything()) return 1;
              return one.is_exact() ? 0 : 2;
            }) == exited(0));
    }
    stop = true;
    collector.join();
    writer.join();
    CHECK(narrow == 0);
    CHECK(one.is_exact());
  }
}

TEST_CASE("fork: a child that cannot open descriptors is lost, says so, and recovers when it can") {
  for (const mechanism_kind kind : every_real_mechanism) {
    CAPTURE(name_of(kind));
    armed_tracker one(kind);
    one.heap.write(5);
    CHECK(run_in_child([&] {
            rlimit limit{};
            ::getrlimit(RLIMIT_NOFILE, &limit);
            const rlimit none{3, limit.rlim_max};
            ::setrlimit(RLIMIT_NOFILE, &none);
            for (int i = 0; i < 3; ++i) {
              if (!one.answers_everything()) return 1;
              // mprotect needs its descriptor for a check only, but must not go without.
              if (one.tracker.problem().code != EMFILE) return 2;
              one.tracker.arm();
              if (!one.tracker.problem()) return 3;
            }
            ::setrlimit(RLIMIT_NOFILE, &limit);
            if (!one.answers_everything()) return 4;
            return one.is_exact() ? 0 : 5;
          }) == exited(0));
    // Nor does one that ends in this state end the parent's tracking.
    CHECK(run_in_child([&] {
            const rlimit none{3, 3};
            ::setrlimit(RLIMIT_NOFILE, &none);
            if (!one.answers_everything()) return 1;
            { const gcbarrier::write_tracker ended = std::move(one.tracker); }
            return 0;
          }) == exited(0));
    CHECK(one.pages(one.tracker.collect()) == page_numbers{5});
    CHECK_FALSE(one.tracker.problem());
  }
}

TEST_CASE("fork: a child that outlives the parent's tracker does not keep the memory") {
  for (const mechanism_kind kind : every_real_mechanism) {
    CAPTURE(name_of(kind));
    const memory heap(memory_kind::small_pages, 8);
    std::array<int, 2> hold{};
    REQUIRE(::pipe(hold.data()) == 0);
    pid_t child = -1;
    {
      gcbarrier::write_tracker tracker = open_or_die({.mechanism = kind});
      REQUIRE_FALSE(tracker.add_arena(heap.range()));
      tracker.arm();
      child = ::fork();
      if (child == 0) {
        ::close(hold[1]);
        char end = 0;
        (void)!::read(hold[0], &end, 1);
        ::_exit(0);
      }
    }
    gcbarrier::write_tracker again = open_or_die({.mechanism = kind});
    CHECK_FALSE(again.add_arena(heap.range()));
    again.arm();
    heap.write(3);
    CHECK(heap.pages_in(again.collect()) == page_numbers{3});
    ::close(hold[0]);
    ::close(hold[1]);
    CHECK(::waitpid(child, nullptr, 0) == child);
  }
}
