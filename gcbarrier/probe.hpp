// What works on this machine, in which way, and for what does not: why, and what to do about it.
#ifndef GCBARRIER_PROBE_HPP
#define GCBARRIER_PROBE_HPP

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <optional>

#include "address_range.hpp"
#include "error.hpp"
#include "kernel/machine.hpp"
#include "kernel/mapped_array.hpp"
#include "kernel/system_calls.hpp"
#include "mechanism/any_mechanism.hpp"
#include "mechanism/mechanism.hpp"
#include "run_list.hpp"
#include "version.hpp"

GCBARRIER_NAMESPACE_BEGIN

// What stands in a mechanism's way.
enum class obstacle : std::uint8_t {
  none,
  kernel_too_old,
  kernel_config,   // new enough, but built without it
  seccomp,         // a filter of this process, or of the service that it runs in
  container,       // the same, and it looks like a container's
  policy,          // refused, and neither seccomp nor the dumpable flag explains it
  not_dumpable,    // after setuid, or by prctl
  no_proc,         // /proc is not mounted
  exhausted,       // out of descriptors or memory
  signal_blocked,  // SIGSEGV, on this thread
  self_test,       // everything was accepted, and a write was not reported
  other,
};

constexpr const char* name_of(obstacle reason) {
  switch (reason) {
    case obstacle::none:
      return "none";
    case obstacle::kernel_too_old:
      return "the kernel is too old";
    case obstacle::kernel_config:
      return "the kernel is built without it";
    case obstacle::seccomp:
      return "a seccomp filter";
    case obstacle::container:
      return "the container's seccomp profile";
    case obstacle::policy:
      return "a security policy";
    case obstacle::not_dumpable:
      return "the process is not dumpable";
    case obstacle::no_proc:
      return "/proc is not mounted";
    case obstacle::exhausted:
      return "out of descriptors or memory";
    case obstacle::signal_blocked:
      return "SIGSEGV is blocked";
    case obstacle::self_test:
      return "the self-test failed";
    case obstacle::other:
      break;
  }
  return "an unexpected error";
}

struct mechanism_report {
  obstacle reason = obstacle::none;
  error why;  // what failed; its advice says what to do

  [[nodiscard]] bool works() const { return reason == obstacle::none; }
};

struct machine_report {
  kernel::machine_facts machine;
  mechanism_report mechanisms[mechanism_count];  // by mechanism_kind

  [[nodiscard]] const mechanism_report& operator[](mechanism_kind kind) const {
    return mechanisms[static_cast<int>(kind)];
  }
  // What a write_tracker chooses by itself.
  [[nodiscard]] std::optional<mechanism_kind> best() const {
    for (int i = 0; i < mechanism_count; ++i) {
      if (mechanisms[i].works()) return static_cast<mechanism_kind>(i);
    }
    return std::nullopt;
  }
};

namespace probing {

// Writes to one of three protected pages, and expects to hear of that one, once, and of no other.
inline error self_test(any_mechanism& tested, kernel::system_calls calls) {
  const std::size_t page = kernel::page_size();
  kernel::mapped_array<char> scratch(calls);
  run_list seen(calls);
  if (const error why = scratch.reserve(3 * page)) return why;
  if (const error why = seen.reserve(3)) return why;
  const address_range all(scratch.data(), 3 * page);
  const address_range middle(scratch.data() + page, page);

  const auto reports = [&](const error& problem, bool middle_only, const char* step) -> error {
    if (problem) return problem;
    const bool right =
        middle_only ? seen.runs().size() == 1 && seen.runs()[0] == middle : seen.runs().empty();
    seen.clear();
    return right ? error{} : error{step, EPROTO, all, ""};
  };
  const auto steps = [&]() -> error {
    if (const error why = tested.protect(all)) return why;
    if (const error why = reports(tested.read(all, seen), false, "reading what was not written")) return why;
    std::atomic_ref(scratch.data()[page]).store(1, std::memory_order_relaxed);
    if (const error why = reports(tested.read(all, seen), true, "reading what was written")) return why;
    if (const error why = reports(tested.read_and_protect(all, seen), true, "reading and protecting"))
      return why;
    return reports(tested.read(all, seen), false, "reading what was protected again");
  };
  if (const error why = tested.attach(all)) return why;
  const error failed = steps();
  const error left = tested.detach(all);
  return failed ? failed : left;
}

inline bool signal_blocked(kernel::system_calls calls, int number) {
  std::uint64_t blocked = 0;  // the kernel's own signal set, a bit per number from 1
  if (calls.call(SYS_rt_sigprocmask, SIG_BLOCK, 0, &blocked, sizeof blocked) < 0) return false;
  return (blocked >> (number - 1) & 1) != 0;
}

inline obstacle reason_of(const error& why, mechanism_kind kind, const kernel::machine_facts& machine) {
  const obstacle lacking = kind == mechanism_kind::uffd_async && !machine.new_enough()
                               ? obstacle::kernel_too_old
                               : obstacle::kernel_config;
  const obstacle filtered = machine.container ? obstacle::container : obstacle::seccomp;
  switch (why.code) {
    case 0:
      return obstacle::none;
    case ENOTSUP:
      return lacking;
    case EINVAL:  // an older kernel does not know the flag for user mode only
      return kind == mechanism_kind::uffd_async && !machine.new_enough() ? lacking : obstacle::other;
    case ENOSYS:  // what a filter may answer as well
      return machine.new_enough() && machine.seccomp ? filtered : lacking;
    case EPERM:
      return machine.seccomp ? filtered : obstacle::policy;
    case EACCES:
      return machine.dumpable ? obstacle::policy : obstacle::not_dumpable;
    case ENOENT:
      return machine.proc ? obstacle::kernel_config : obstacle::no_proc;
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case ENOSPC:
      return obstacle::exhausted;
    case EPROTO:
      return obstacle::self_test;
    default:
      return obstacle::other;
  }
}

constexpr const char* advice_for(obstacle reason, mechanism_kind kind) {
  switch (reason) {
    case obstacle::none:
    case obstacle::other:
      return "";
    case obstacle::kernel_too_old:
      return "boot Linux 6.7 or newer (arm64: 6.10); gVisor has none of it";
    case obstacle::kernel_config:
      return kind == mechanism_kind::soft_dirty
                 ? "use a kernel built with CONFIG_MEM_SOFT_DIRTY and CONFIG_PROC_PAGE_MONITOR"
                 : "use a kernel built with CONFIG_USERFAULTFD, CONFIG_PTE_MARKER_UFFD_WP and "
                   "CONFIG_PROC_PAGE_MONITOR; if it is, something hides them from this process";
    case obstacle::seccomp:
      return "a seccomp filter refuses userfaultfd: allow it (systemd: SystemCallFilter=userfaultfd), or "
             "open "
             "the descriptors before the filter is installed and let the tracker adopt them";
    case obstacle::container:
      return "the container's seccomp profile refuses userfaultfd: allow it there (docker run --security-opt "
             "seccomp=PROFILE.json), or pass --device /dev/userfaultfd and let the user open it";
    case obstacle::policy:
      return "neither seccomp nor the dumpable flag explains it: look for a security module (SELinux, "
             "AppArmor) in the system's log";
    case obstacle::not_dumpable:
      return "the process is not dumpable, so its files in /proc belong to root: call prctl(PR_SET_DUMPABLE, "
             "1) before";
    case obstacle::no_proc:
      return kind == mechanism_kind::uffd_async
                 ? "mount proc on /proc, or open the descriptors before entering the container and let the "
                   "tracker adopt them"
                 : "mount proc on /proc";
    case obstacle::exhausted:
      return "free or raise what ran out: descriptors (ulimit -n), memory, or arenas";
    case obstacle::signal_blocked:
      return "unblock SIGSEGV on this thread: while it is blocked, the first write to a protected page kills "
             "the process";
    case obstacle::self_test:
      return "the kernel accepted everything and did not report a write rightly: do not use this mechanism, "
             "and report the kernel's release";
  }
  return "";
}

inline mechanism_report report_on(mechanism_kind kind, kernel::system_calls calls,
                                  const kernel::machine_facts& machine) {
  mechanism_report report;
  if (kind == mechanism_kind::mprotect && signal_blocked(calls, SIGSEGV)) {
    report = {obstacle::signal_blocked, {"mprotect and SIGSEGV", EPERM, {}, ""}};
  } else {
    result<any_mechanism> opened = any_mechanism::open(kind, calls);
    if (!opened) {
      report.why = opened.error();
    } else if (kind != mechanism_kind::soft_dirty) {
      report.why = self_test(*opened, calls);
    }
    report.reason = reason_of(report.why, kind, machine);
  }
  if (const char* advice = advice_for(report.reason, kind); *advice != '\0') report.why.advice = advice;
  return report;
}

}  // namespace probing

// Tries every mechanism for real, on a scratch mapping: registers it, protects it, writes to it and reads the
// answer. For mprotect a SIGSEGV handler is there meanwhile. Soft-dirty bits are only read: clearing them is
// for the whole process, and would take them from another tracker or collector in it; so whether clearing
// works stays unproven.
//
// Costs about a tenth of a millisecond; leaves nothing behind; any thread. It does not call for what a
// sandbox has no reason to forbid but userfaultfd: where that is answered by a kill instead of an error, do
// not probe, and see tracker_options::adopted.
inline machine_report probe(kernel::system_calls calls = {}) {
  machine_report report;
  report.machine = kernel::machine(calls);
  for (int i = 0; i < mechanism_count; ++i) {
    report.mechanisms[i] = probing::report_on(static_cast<mechanism_kind>(i), calls, report.machine);
  }
  return report;
}

GCBARRIER_NAMESPACE_END

#endif
