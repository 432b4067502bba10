// Noticing, without a system call, that this process is a fork of the one that an object was made in.
#include <doctest/doctest.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <gcbarrier/kernel/fork_sentinel.hpp>
#include <support/child.hpp>
#include <support/faked_calls.hpp>
#include <thread>
#include <utility>

using gcbarrier::kernel::fork_sentinel;
using support::exited;
using support::faked_calls;

namespace {

int status_of(long child) {
  int status = 0;
  return ::waitpid(static_cast<pid_t>(child), &status, 0) == child && WIFEXITED(status) ? WEXITSTATUS(status)
                                                                                        : 99;
}

}  // namespace

TEST_CASE("fork_sentinel: not in the process that made it, nor in its threads") {
  fork_sentinel sentinel;
  REQUIRE_FALSE(sentinel.open());
  CHECK_FALSE(sentinel.in_child());
  bool seen = true;
  std::thread([&] { seen = sentinel.in_child(); }).join();
  CHECK_FALSE(seen);
}

TEST_CASE("fork_sentinel: in a child until it settles there, and the parent is not disturbed") {
  fork_sentinel sentinel;
  REQUIRE_FALSE(sentinel.open());
  CHECK(support::run_in_child([&] {
          if (!sentinel.in_child()) return 1;
          sentinel.settle();
          return sentinel.in_child() ? 2 : 0;
        }) == exited(0));
  CHECK_FALSE(sentinel.in_child());
}

TEST_CASE("fork_sentinel: in grandchildren, of a child that settled and of one that did not") {
  for (const bool settles : {false, true}) {
    CAPTURE(settles);
    fork_sentinel sentinel;
    REQUIRE_FALSE(sentinel.open());
    CHECK(support::run_in_child([&] {
            if (settles) sentinel.settle();
            const pid_t grandchild = ::fork();
            if (grandchild == 0) ::_exit(sentinel.in_child() ? 0 : 1);
            if (status_of(grandchild) != 0) return 2;
            return sentinel.in_child() == settles ? 3 : 0;
          }) == exited(0));
  }
}

TEST_CASE("fork_sentinel: a child made by the bare system call is one too") {
  fork_sentinel sentinel;
  REQUIRE_FALSE(sentinel.open());
  CHECK(support::run_in_child([&] {
          sentinel.settle();
          const long child = ::syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
          if (child == 0) ::_exit(sentinel.in_child() ? 0 : 1);
          return status_of(child);
        }) == exited(0));
}

TEST_CASE("fork_sentinel: moved, it still knows") {
  fork_sentinel first;
  REQUIRE_FALSE(first.open());
  const fork_sentinel second(std::move(first));
  CHECK_FALSE(second.in_child());
  CHECK(support::run_in_child([&] { return second.in_child() ? 0 : 1; }) == exited(0));
}

TEST_CASE("fork_sentinel: it asks for no system call") {
  int calls = 0;
  faked_calls fake([&](long, faked_calls::argument_list) -> std::optional<long> {
    ++calls;
    return std::nullopt;
  });
  fork_sentinel sentinel(fake.calls());
  REQUIRE_FALSE(sentinel.open());
  const int after_open = calls;
  for (int i = 0; i < 100; ++i) CHECK_FALSE(sentinel.in_child());
  CHECK(calls == after_open);
}

TEST_CASE("fork_sentinel: what it needs may fail") {
  for (const long failing : {SYS_mmap, SYS_madvise}) {
    faked_calls fake([=](long number, faked_calls::argument_list) -> std::optional<long> {
      return number == failing ? std::optional<long>(failing == SYS_mmap ? -ENOMEM : -EINVAL) : std::nullopt;
    });
    fork_sentinel sentinel(fake.calls());
    CHECK(sentinel.open().code == (failing == SYS_mmap ? ENOMEM : EINVAL));
  }
}

// The control for all of the above: without the advice the child would not be noticed.
TEST_CASE("fork_sentinel: a kernel that ignores the advice is caught by these tests") {
  faked_calls fake([](long number, faked_calls::argument_list) -> std::optional<long> {
    return number == SYS_madvise ? std::optional<long>(0) : std::nullopt;
  });
  fork_sentinel sentinel(fake.calls());
  REQUIRE_FALSE(sentinel.open());
  CHECK(support::run_in_child([&] { return sentinel.in_child() ? 0 : 1; }) == exited(1));
}
