// probe() under real refusals, each in a child of its own.
#include <doctest/doctest.h>
#include <grp.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <fstream>
#include <gcbarrier/probe.hpp>
#include <string>

#include "support/child.hpp"
#include "support/hidden_proc.hpp"
#include "support/skip.hpp"

using gcbarrier::machine_report;
using gcbarrier::mechanism_kind;
using gcbarrier::obstacle;
using gcbarrier::probe;
using gcbarrier::kernel::userfaultfd_source;
using support::exited;
using support::hide_proc;
using support::run_in_child;

namespace {

constexpr int as_wanted = 0;
constexpr int could_not_prepare = 100;
constexpr uid_t nobody = 65534;

// As an exit status: the obstacle in the way of the mechanism, which is 0 where there is none.
int reason(mechanism_kind kind) {
  return static_cast<int>(probe()[kind].reason);
}
constexpr support::child_outcome found(obstacle what) {
  return exited(static_cast<int>(what));
}

bool become_nobody() {
  return ::setgroups(0, nullptr) == 0 && ::setgid(nobody) == 0 && ::setuid(nobody) == 0;
}

// Answers `code` to userfaultfd and lets everything else through.
bool refuse_userfaultfd(unsigned code) {
  sock_filter program[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_userfaultfd, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | code),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog filter{sizeof program / sizeof *program, program};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

long mapping_count() {
  std::ifstream maps("/proc/self/maps");
  long count = 0;
  for (std::string line; std::getline(maps, line);) ++count;
  return count;
}

}  // namespace

TEST_CASE("probe: this machine") {
  const machine_report report = probe();
  CHECK(report[mechanism_kind::uffd_async].reason == obstacle::none);
  CHECK(report[mechanism_kind::mprotect].reason == obstacle::none);
  CHECK(report.best() == mechanism_kind::uffd_async);
  CHECK(report.machine.proc);
  CHECK(report.machine.new_enough());
  const auto soft_dirty = report[mechanism_kind::soft_dirty].reason;
  CHECK((soft_dirty == obstacle::none || soft_dirty == obstacle::kernel_config));
}

TEST_CASE("probe: leaves nothing behind") {
  struct sigaction before {};
  struct sigaction after {};
  (void)probe();
  ::sigaction(SIGSEGV, nullptr, &before);
  const int next_free = ::dup(0);
  ::close(next_free);
  const long mapped = mapping_count();
  (void)probe();
  CHECK(mapping_count() == mapped);
  const int still_free = ::dup(0);
  ::close(still_free);
  CHECK(still_free == next_free);
  ::sigaction(SIGSEGV, nullptr, &after);
  const bool handler_kept = before.sa_handler == after.sa_handler;
  CHECK(handler_kept);
}

TEST_CASE("probe: an unprivileged process, whose setuid made it not dumpable") {
  if (::geteuid() != 0) SKIP_TEST("becoming another user needs root");
  const auto after_setuid = [](int dumpable) {
    return run_in_child([dumpable] {
      if (!become_nobody()) return could_not_prepare;
      if (::prctl(PR_SET_DUMPABLE, dumpable, 0, 0, 0) != 0) return could_not_prepare;
      return reason(mechanism_kind::uffd_async);
    });
  };
  CHECK(after_setuid(0) == found(obstacle::not_dumpable));
  CHECK(after_setuid(1) == found(obstacle::none));
}

TEST_CASE("probe: as root the dumpable flag does not matter, and is told") {
  if (::geteuid() != 0) SKIP_TEST("needs root");
  CHECK(run_in_child([] {
          if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) return could_not_prepare;
          const machine_report report = probe();
          return !report.machine.dumpable && report.best() == mechanism_kind::uffd_async ? as_wanted : 1;
        }) == exited(as_wanted));
}

TEST_CASE("probe: under a seccomp filter") {
  for (const unsigned code : {unsigned{EPERM}, unsigned{ENOSYS}}) {
    CAPTURE(code);
    const auto outcome = run_in_child([code] {
      // The device would be a way round for root.
      if (::geteuid() == 0 && (!become_nobody() || ::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) != 0)) {
        return could_not_prepare;
      }
      if (!refuse_userfaultfd(code)) return could_not_prepare;
      const machine_report report = probe();
      if (!report.machine.seccomp || report.machine.userfaultfd != userfaultfd_source::none) return 99;
      if (report.best() != mechanism_kind::mprotect && !report[mechanism_kind::soft_dirty].works()) return 98;
      return static_cast<int>(report[mechanism_kind::uffd_async].reason);
    });
    const bool container = probe().machine.container;
    CHECK(outcome == found(container ? obstacle::container : obstacle::seccomp));
  }
}

TEST_CASE("probe: /dev/userfaultfd is the way round a seccomp filter") {
  if (::access("/dev/userfaultfd", R_OK | W_OK) != 0) SKIP_TEST("/dev/userfaultfd cannot be opened");
  CHECK(run_in_child([] {
          if (!refuse_userfaultfd(EPERM)) return could_not_prepare;
          const machine_report report = probe();
          if (report.machine.userfaultfd != userfaultfd_source::device) return 99;
          return static_cast<int>(report[mechanism_kind::uffd_async].reason);
        }) == found(obstacle::none));
}

TEST_CASE("probe: without /proc") {
  if (!support::can_hide_proc()) SKIP_TEST("hiding /proc needs root and leave to mount");
  CHECK(run_in_child([] { return hide_proc() ? reason(mechanism_kind::uffd_async) : could_not_prepare; }) ==
        found(obstacle::no_proc));
  CHECK(run_in_child([] { return hide_proc() ? reason(mechanism_kind::mprotect) : could_not_prepare; }) ==
        found(obstacle::none));
}

TEST_CASE("probe: SIGSEGV blocked on this thread is told, not died of") {
  CHECK(run_in_child([] {
          sigset_t all;
          sigfillset(&all);
          ::sigprocmask(SIG_SETMASK, &all, nullptr);
          return reason(mechanism_kind::mprotect);
        }) == found(obstacle::signal_blocked));
}
