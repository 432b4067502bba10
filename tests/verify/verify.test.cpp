#include <doctest/doctest.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <atomic>
#include <cstring>
#include <gcbarrier/barrier/kernel_barrier.hpp>
#include <gcbarrier/gcbarrier.hpp>
#include <gcbarrier/mechanism/verify.hpp>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "support/alias.hpp"
#include "support/child.hpp"
#include "support/dropping.hpp"
#include "support/faked_calls.hpp"
#include "support/memory.hpp"

using gcbarrier::address_range;
using gcbarrier::any_mechanism;
using gcbarrier::basic_write_tracker;
using gcbarrier::error;
using gcbarrier::kernel_barrier;
using gcbarrier::lost_page;
using gcbarrier::mechanism_kind;
using gcbarrier::run_list;
using gcbarrier::uffd_async;
using gcbarrier::verify;
using gcbarrier::write_barrier;
using support::alias;
using support::dropping;
using support::every_memory_kind;
using support::faked_calls;
using support::memory;
using support::memory_kind;
using support::run_in_child;

static_assert(gcbarrier::mechanism<verify<uffd_async>>);
static_assert(gcbarrier::mechanism<verify<any_mechanism>>);
static_assert(write_barrier<kernel_barrier<verify<uffd_async>>>, "a collector can be built with it");

namespace {

// Keeps the reports instead of aborting.
struct accusations : std::vector<lost_page> {
  [[nodiscard]] gcbarrier::lost_page_report hook() {
    return {[](void* context, const lost_page& lost) { static_cast<accusations*>(context)->push_back(lost); },
            this};
  }
};

constexpr mechanism_kind working[] = {mechanism_kind::uffd_async, mechanism_kind::mprotect};

template <class Mechanism>
basic_write_tracker<verify<Mechanism>> verified(Mechanism checked, accusations& found,
                                                gcbarrier::kernel::system_calls calls = {}) {
  auto watching = verify<Mechanism>::over(std::move(checked), calls, found.hook());
  REQUIRE(watching);
  auto tracker = basic_write_tracker<verify<Mechanism>>::over(std::move(*watching), calls);
  REQUIRE(tracker);
  return std::move(*tracker);
}

any_mechanism opened(mechanism_kind kind, gcbarrier::kernel::system_calls calls = {}) {
  auto made = any_mechanism::open(kind, calls);
  REQUIRE(made);
  return std::move(*made);
}

basic_write_tracker<verify<any_mechanism>> verified(mechanism_kind kind, accusations& found) {
  return verified(opened(kind), found);
}

// Says that a page was written when the test has told it so, and forgets the whole process at once, as
// soft-dirty bits do.
class told {
 public:
  [[nodiscard]] static constexpr mechanism_kind kind() { return mechanism_kind::soft_dirty; }
  [[nodiscard]] gcbarrier::mechanism_traits traits() const { return {true, false, true}; }
  [[nodiscard]] gcbarrier::mechanism_counters counters() const { return {}; }
  error attach(address_range /*range*/) { return {}; }
  error detach(address_range /*range*/) { return {}; }
  error read(address_range range, run_list& out) {
    for (const address_range page : written_) {
      if (range.contains(page)) out.append(page);
    }
    return {};
  }
  error read_and_protect(address_range range, run_list& out) {
    if (const error why = read(range, out)) return why;
    return protect(range);
  }
  error protect(address_range /*range*/) {
    written_.clear();
    return {};
  }
  error unprotect(address_range /*range*/) { return {}; }
  error reopen() { return {}; }

  void tell(address_range page) { written_.push_back(page); }

 private:
  std::vector<address_range> written_;
};

}  // namespace

TEST_CASE("verify: accuses nobody while a collector works as it should") {
  for (const mechanism_kind kind : working) {
    for (const memory_kind of : every_memory_kind) {
      CAPTURE(std::string(name_of(kind)));
      CAPTURE(std::string(name_of(of)));
      accusations found;
      auto tracker = verified(kind, found);
      memory arena(of, 512, 600);
      REQUIRE_FALSE(tracker.add_arena(arena.range()));
      std::mt19937_64 random(1);
      for (int cycle = 0; cycle < 60; ++cycle) {
        for (int i = 0; i < 20; ++i) {
          arena.write(random() % arena.pages(), static_cast<char>(random()), random() % 4096);
        }
        if (cycle % 7 == 0) tracker.retain(arena.range(random() % arena.pages(), 1));
        if (cycle % 11 == 0) (void)tracker.expect_writes(arena.range(random() % 400, 20));
        if (cycle % 13 == 0) {
          ::madvise(arena.page(random() % 400), 8 * memory::page_size(), MADV_DONTNEED);
        }
        if (cycle == 30) {
          arena.grow(600);
          REQUIRE_FALSE(tracker.resize_arena(arena.data(), arena.bytes()));
        }
        if (cycle == 50) REQUIRE_FALSE(tracker.resize_arena(arena.data(), arena.bytes() / 2));
        if (cycle % 3 == 0) {
          (void)tracker.peek();
          arena.write(random() % arena.pages());  // the collector's own
          tracker.arm();
        } else {
          (void)tracker.collect();
        }
        CHECK_FALSE(tracker.problem());
      }
      CHECK_FALSE(tracker.remove_arena(arena.data()));
      CHECK(found.empty());
    }
  }
}

TEST_CASE("verify: accuses nobody of writes that race with the comparison") {
  for (const mechanism_kind kind : working) {
    for (const memory_kind of : {memory_kind::small_pages, memory_kind::huge_pages}) {
      accusations found;
      auto tracker = verified(kind, found);
      const memory arena(of, 512);
      REQUIRE_FALSE(tracker.add_arena(arena.range()));
      std::atomic<bool> stop{false};
      std::vector<std::thread> writers;
      writers.reserve(3);
      for (int writer = 0; writer < 3; ++writer) {
        writers.emplace_back([&, writer] {
          std::mt19937_64 random(static_cast<std::uint64_t>(writer));
          while (!stop.load(std::memory_order_relaxed)) {
            // Atomic, because it is the writers that must not race with each other.
            char& byte = arena.page(random() % arena.pages())[random() % 4096];
            std::atomic_ref(byte).store(static_cast<char>(random()), std::memory_order_relaxed);
          }
        });
      }
      for (int cycle = 0; cycle < 60; ++cycle) (void)tracker.collect();
      stop = true;
      for (std::thread& writer : writers) writer.join();
      CHECK(found.empty());
    }
  }
}

TEST_CASE("verify: a page dropped from the answer is caught, by collect and by peek and arm") {
  for (const bool stop_the_world : {false, true}) {
    CAPTURE(stop_the_world);
    for (const mechanism_kind kind : working) {
      accusations found;
      const memory arena(memory_kind::small_pages, 64);
      bool drops = false;
      auto tracker = verified(
          dropping<any_mechanism>(
              opened(kind),
              [&](address_range page) { return page == arena.range(33, 1) && std::exchange(drops, false); }),
          found);
      REQUIRE_FALSE(tracker.add_arena(arena.range()));
      tracker.arm();
      for (std::size_t page = 30; page < 36; ++page) arena.write(page, 'x', 7);
      drops = true;
      if (stop_the_world) {
        CHECK_FALSE(tracker.peek().contains(arena.page(33)));
        tracker.arm();
      } else {
        CHECK_FALSE(tracker.collect().contains(arena.page(33)));
      }
      REQUIRE(found.size() == 1);
      CHECK(found[0].page == arena.range(33, 1));
      CHECK(found[0].difference == arena.range(33, 1).begin + 7);
      CHECK(found[0].mechanism == kind);
      // One loss, one report.
      (void)tracker.collect();
      CHECK(found.size() == 1);
    }
  }
}

TEST_CASE("verify: a page that a second peek reports after all is no loss") {
  accusations found;
  const memory arena(memory_kind::small_pages, 8);
  bool drops = false;
  auto tracker = verified(dropping<uffd_async>(std::move(*uffd_async::open({})),
                                               [&](address_range) { return std::exchange(drops, false); }),
                          found);
  REQUIRE_FALSE(tracker.add_arena(arena.range()));
  tracker.arm();
  arena.write(3, 'x');
  drops = true;
  CHECK(tracker.peek().empty());
  CHECK(tracker.peek().contains(arena.page(3)));
  tracker.arm();
  CHECK(found.empty());
}

TEST_CASE("verify: a write through another mapping is caught, and always_dirty mends it") {
  accusations found;
  auto tracker = verified(mechanism_kind::uffd_async, found);
  const memory arena(memory_kind::memfd_shared, 64);
  const alias other(arena);
  REQUIRE_FALSE(tracker.add_arena(arena.range()));
  tracker.arm();

  other.write(5, 'x', 100);
  CHECK(tracker.collect().empty());
  REQUIRE(found.size() == 1);
  CHECK(found[0].page == arena.range(5, 1));
  CHECK(found[0].difference == arena.range(5, 1).begin + 100);

  tracker.always_dirty(arena.range(5, 1));
  other.write(5, 'y', 100);
  CHECK(tracker.collect().contains(arena.page(5)));
  CHECK(found.size() == 1);
  other.write(6, 'y');
  (void)tracker.collect();
  CHECK(found.size() == 2);  // only what was announced is excused

  // What was written while it was announced is in one more set; afterwards the page is like any other.
  other.write(5, 'z', 100);
  tracker.always_dirty(arena.range(5, 1), false);
  CHECK(tracker.collect().contains(arena.page(5)));
  CHECK(found.size() == 2);
  other.write(5, '!', 100);
  CHECK(tracker.collect().empty());
  CHECK(found.size() == 3);
}

TEST_CASE("verify: after an error nothing is compared until it was protected again") {
  accusations found;
  bool fails = false;
  faked_calls kernel([&](long number, faked_calls::argument_list arguments) -> std::optional<long> {
    if (number != SYS_ioctl || !fails ||
        static_cast<unsigned long>(arguments[1]) != gcbarrier::kernel::uapi::ioctl_pagemap_scan) {
      return std::nullopt;
    }
    // Half of the work is done before it fails: those pages will read as clean.
    fails = false;
    (void)faked_calls::real(number, arguments);
    return -EPERM;
  });
  auto tracker = verified(opened(mechanism_kind::uffd_async, kernel.calls()), found, kernel.calls());
  const memory arena(memory_kind::memfd_shared, 64);
  const alias other(arena);
  REQUIRE_FALSE(tracker.add_arena(arena.range()));
  tracker.arm();

  arena.write(1, 'x');
  fails = true;
  CHECK(tracker.collect().bytes() == arena.bytes());
  CHECK(tracker.problem());
  CHECK(tracker.collect().empty());
  CHECK(found.empty());
  other.write(2, 'x');
  (void)tracker.collect();
  CHECK(found.size() == 1);

  arena.write(3, 'x');
  fails = true;
  CHECK(tracker.peek().bytes() == arena.bytes());
  CHECK(tracker.peek().bytes() == arena.bytes());
  tracker.arm();
  CHECK(tracker.collect().empty());
  CHECK(found.size() == 1);

  arena.write(5, 'x');
  fails = true;
  tracker.arm();
  CHECK(tracker.peek().bytes() == arena.bytes());
  CHECK(found.size() == 1);
}

TEST_CASE("verify: an arena that comes back with other contents is a new arena") {
  accusations found;
  auto tracker = verified(mechanism_kind::uffd_async, found);
  const memory arena(memory_kind::memfd_shared, 64);
  const alias other(arena);
  for (int round = 0; round < 3; ++round) {
    REQUIRE_FALSE(tracker.add_arena(arena.range()));
    CHECK(tracker.collect().bytes() == arena.bytes());
    REQUIRE_FALSE(tracker.resize_arena(arena.data(), arena.bytes() / 2));
    other.write(40, static_cast<char>('a' + round));  // no longer tracked
    CHECK(tracker.collect().empty());
    REQUIRE_FALSE(tracker.resize_arena(arena.data(), arena.bytes()));
    CHECK(tracker.collect().bytes() == arena.bytes() / 2);
    REQUIRE_FALSE(tracker.remove_arena(arena.data()));
    other.write(7, static_cast<char>('A' + round));
  }
  CHECK(found.empty());
  // The same memory under another begin.
  REQUIRE_FALSE(tracker.add_arena(arena.range(8, 8)));
  CHECK(tracker.collect().bytes() == arena.range(8, 8).bytes());
  other.write(9, '!');
  (void)tracker.collect();
  CHECK(found.size() == 1);
}

TEST_CASE("verify: what was detached behind its back does not count") {
  accusations found;
  auto watching = verify<uffd_async>::open({}, found.hook());
  REQUIRE(watching);
  const memory arena(memory_kind::memfd_shared, 64);
  const alias other(arena);
  run_list out;
  REQUIRE_FALSE(out.reserve(64));
  REQUIRE_FALSE(watching->attach(arena.range(8, 16)));
  REQUIRE_FALSE(watching->protect(arena.range(8, 16)));
  REQUIRE_FALSE(watching->checked().detach(arena.range(8, 16)));
  other.write(9, '!');
  REQUIRE_FALSE(watching->attach(arena.range(0, 32)));
  REQUIRE_FALSE(watching->read(arena.range(0, 32), out));
  CHECK(found.empty());
}

TEST_CASE("verify: an attach that fails leaves nothing behind") {
  accusations found;
  auto watching = verify<uffd_async>::open({}, found.hook());
  auto rival = uffd_async::open({});
  REQUIRE(watching);
  REQUIRE(rival);
  const memory arena(memory_kind::small_pages, 16);
  REQUIRE_FALSE(rival->attach(arena.range(8, 8)));
  CHECK(watching->attach(arena.range()).code == EBUSY);
  REQUIRE_FALSE(watching->attach(arena.range(0, 8)));
  REQUIRE_FALSE(watching->protect(arena.range(0, 8)));
  CHECK(watching->attach(arena.range()).code == EBUSY);
  run_list out;
  REQUIRE_FALSE(out.reserve(16));
  arena.write(3, 'x');
  REQUIRE_FALSE(watching->read(arena.range(0, 8), out));
  CHECK(arena.pages_in(out.runs()) == support::consecutive(3, 1));
  CHECK(found.empty());
}

TEST_CASE("verify: errors of the mechanism pass through") {
  auto watching = verify<uffd_async>::open();
  REQUIRE(watching);
  const memory arena(memory_kind::small_pages, 16);
  run_list out;
  REQUIRE_FALSE(out.reserve(16));
  CHECK(watching->read(arena.range(), out).code == EPERM);
  CHECK(watching->read_and_protect(arena.range(), out).code == EPERM);
  CHECK(watching->protect(arena.range()).code == EPERM);
  CHECK(watching->unprotect(arena.range()).code == ENOENT);
  watching->always_dirty(arena.range(), true);  // of no arena: nothing to do
  CHECK(watching->counters().system_calls > 0);
}

TEST_CASE("verify: memory that cannot be read is passed over") {
  accusations found;
  auto tracker = verified(mechanism_kind::uffd_async, found);
  const memory arena(memory_kind::memfd_shared, 64);
  const alias other(arena);
  REQUIRE_FALSE(tracker.add_arena(arena.range()));
  tracker.arm();
  REQUIRE(::mprotect(arena.page(10), 3 * memory::page_size(), PROT_NONE) == 0);
  other.write(11, 'x');
  (void)tracker.collect();
  CHECK(found.empty());
  other.write(13, 'x');
  (void)tracker.collect();
  CHECK(found.size() == 1);
  REQUIRE(::mprotect(arena.page(10), 3 * memory::page_size(), PROT_READ | PROT_WRITE) == 0);
  (void)tracker.collect();
  CHECK(found.size() == 2);  // now it can be seen
}

TEST_CASE("verify: memory given back to the kernel is no loss, but what a file brings back is one") {
  accusations found;
  auto tracker = verified(mechanism_kind::mprotect, found);
  const memory zeros(memory_kind::small_pages, 16);
  REQUIRE_FALSE(tracker.add_arena(zeros.range()));
  tracker.arm();
  REQUIRE(::madvise(zeros.page(3), memory::page_size(), MADV_DONTNEED) == 0);
  CHECK(tracker.collect().empty());
  CHECK(found.empty());

  const memory image(memory_kind::memfd_private, 16);
  REQUIRE(::pwrite(image.file(), "image", 5, 0) == 5);
  REQUIRE_FALSE(tracker.add_arena(image.range()));
  tracker.arm();
  REQUIRE(::madvise(image.page(0), memory::page_size(), MADV_DONTNEED) == 0);
  (void)tracker.collect();
  CHECK(found.size() == 1);
}

TEST_CASE("verify: protecting one arena renews the copies of all, where the mechanism forgets them all") {
  accusations found;
  auto watching = verify<told>::over(told{}, {}, found.hook());
  REQUIRE(watching);
  const memory first(memory_kind::small_pages, 8);
  const memory second(memory_kind::small_pages, 8);
  run_list out;
  REQUIRE_FALSE(out.reserve(16));
  for (const memory* one : {&first, &second}) REQUIRE_FALSE(watching->attach(one->range()));
  REQUIRE_FALSE(watching->protect(first.range()));

  second.write(3, 'x');
  watching->checked().tell(second.range(3, 1));
  REQUIRE_FALSE(watching->read(second.range(), out));
  CHECK(found.empty());
  REQUIRE_FALSE(watching->read_and_protect(first.range(), out));
  REQUIRE_FALSE(watching->read(second.range(), out));
  CHECK(found.empty());

  second.write(4, 'x');
  REQUIRE_FALSE(watching->read(second.range(), out));
  REQUIRE(found.size() == 1);
  CHECK(found[0].page == second.range(4, 1));
}

TEST_CASE("verify: a forked child starts anew and is verified too") {
  const memory arena(memory_kind::memfd_shared, 64);
  const alias other(arena);
  accusations found;
  auto tracker = verified(mechanism_kind::uffd_async, found);
  REQUIRE_FALSE(tracker.add_arena(arena.range()));
  tracker.always_dirty(arena.range(20, 1));
  tracker.arm();
  const auto outcome = run_in_child([&] {
    arena.write(1, 'x');
    if (tracker.collect().bytes() != arena.bytes() || !found.empty()) return 1;
    arena.write(2, 'x');
    other.write(20, 'x');  // still always dirty
    if (!tracker.collect().contains(arena.page(2)) || !found.empty()) return 2;
    other.write(3, 'x');
    (void)tracker.collect();
    return found.size() == 1 ? 0 : 3;
  });
  CHECK(outcome == support::exited(0));
  // The child wrote to memory that it shares with us, through page tables of its own.
  (void)tracker.collect();
  CHECK(found.size() == 3);
}

TEST_CASE("verify: without a hook it says what happened and aborts") {
  const memory arena(memory_kind::memfd_shared, 8);
  const alias other(arena);
  int lines[2];
  REQUIRE(::pipe(lines) == 0);
  const auto outcome = run_in_child([&] {
    ::dup2(lines[1], STDERR_FILENO);
    std::signal(SIGABRT, SIG_DFL);
    auto watching = verify<uffd_async>::open();
    auto tracker = basic_write_tracker<verify<uffd_async>>::over(std::move(*watching));
    if (tracker->add_arena(arena.range())) return 1;
    tracker->arm();
    other.write(2, 'x');
    (void)tracker->collect();
    return 2;
  });
  ::close(lines[1]);
  char text[1024] = "";
  const ssize_t length = ::read(lines[0], text, sizeof text - 1);
  ::close(lines[0]);
  CHECK(outcome == support::killed(SIGABRT));
  CHECK(length > 0);
  CHECK(std::strstr(text, "lost page") != nullptr);
}

TEST_CASE("verify: says so where it cannot read or has no room") {
  faked_calls blind([](long number, faked_calls::argument_list) {
    return number == SYS_process_vm_readv ? std::optional<long>(-EPERM) : std::nullopt;
  });
  const auto refused = verify<uffd_async>::open(blind.calls());
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == EPERM);

  faked_calls old([](long number, faked_calls::argument_list) {
    return number == SYS_userfaultfd || number == SYS_openat ? std::optional<long>(-ENOSYS) : std::nullopt;
  });
  CHECK(verify<uffd_async>::open(old.calls()).error().code == ENOSYS);

  // The n-th mapping fails, for every n: an error, or it was not needed.
  const memory arena(memory_kind::small_pages, 8);
  int refusals = 0;
  for (int nth = 0; nth < 16; ++nth) {
    int left = nth;
    faked_calls full([&](long number, faked_calls::argument_list) {
      return number == SYS_mmap && left-- == 0 ? std::optional<long>(-ENOMEM) : std::nullopt;
    });
    auto watching = verify<uffd_async>::open(full.calls());
    const error why = watching ? watching->attach(arena.range()) : watching.error();
    if (why) {
      CHECK(why.code == ENOMEM);
      ++refusals;
    }
    if (watching) CHECK_FALSE(watching->attach(arena.range()));
  }
  CHECK(refusals > 3);
  CHECK(refusals < 16);
}
