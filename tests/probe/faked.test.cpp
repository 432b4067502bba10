// Every reason that probe() can give, made to occur by a kernel that answers as wanted.
#include <doctest/doctest.h>
#include <sys/prctl.h>
#include <sys/utsname.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <gcbarrier/kernel/uapi.hpp>
#include <gcbarrier/probe.hpp>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "support/faked_calls.hpp"

namespace uapi = gcbarrier::kernel::uapi;
using gcbarrier::machine_report;
using gcbarrier::mechanism_kind;
using gcbarrier::obstacle;
using gcbarrier::probe;
using gcbarrier::kernel::huge_pages;
using gcbarrier::kernel::userfaultfd_source;

namespace {

// A machine on which everything works, until a test changes it. Files are opened for real, as an empty
// memfd would be, and read from here.
struct machine {
  std::string release = "6.18.0-test";
  std::map<std::string, std::string> files = {
      {"/proc/self/status", "Name:\ttest\nNoNewPrivs:\t0\nSeccomp:\t0\nSeccomp_filters:\t0\n"},
      {"/sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n"}};
  std::map<std::string, long> refused = {{"/dev/userfaultfd", -ENOENT},
                                         {"/.dockerenv", -ENOENT},
                                         {"/run/.containerenv", -ENOENT},
                                         {"/run/systemd/container", -ENOENT}};
  std::map<long, long> calls;              // system calls by number, and their answers
  std::map<unsigned long, long> requests;  // ioctls by request, and their answers
  long dumpable = 1;
  bool soft_dirty_bits = false;
  std::uint64_t features_left_out = 0;

  // What probe() says about it.
  machine_report report() {
    support::faked_calls faked(
        [this](long number, support::faked_calls::argument_list a) { return answer(number, a); });
    return probe(faked.calls());
  }

 private:
  static constexpr int first_faked = 1000000;  // no real descriptor is that large

  std::optional<long> answer(long number, support::faked_calls::argument_list a) {
    if (const auto found = calls.find(number); found != calls.end()) return found->second;
    switch (number) {
      case SYS_uname:
        std::strncpy(reinterpret_cast<utsname*>(a[0])->release, release.c_str(), 64);
        return 0;
      case SYS_prctl:
        return a[0] == PR_GET_DUMPABLE ? std::optional(dumpable) : std::nullopt;
      case SYS_openat:
        return open(reinterpret_cast<const char*>(a[1]));
      case SYS_read: {
        const auto found = opened_.find(a[0]);
        if (found == opened_.end()) return std::nullopt;
        const std::size_t length = std::min(found->second.size(), static_cast<std::size_t>(a[2]));
        std::memcpy(reinterpret_cast<void*>(a[1]), found->second.data(), length);
        return static_cast<long>(length);
      }
      case SYS_close:
        return opened_.erase(a[0]) != 0 ? std::optional<long>(0) : std::nullopt;
      case SYS_pread64: {
        const long got = support::faked_calls::real(number, a);
        if (a[2] != sizeof(std::uint64_t)) return got;  // not one entry of pagemap
        auto& entry = *reinterpret_cast<std::uint64_t*>(a[1]);
        entry &= ~uapi::pagemap_soft_dirty;
        if (soft_dirty_bits) entry |= uapi::pagemap_soft_dirty;
        return got;
      }
      case SYS_ioctl:
        return control(a);
      default:
        return std::nullopt;
    }
  }

  std::optional<long> open(const char* path) {
    if (const auto found = refused.find(path); found != refused.end()) return found->second;
    const auto file = files.find(path);
    if (file == files.end()) return std::nullopt;
    const long number = first_faked + static_cast<long>(opened_.size());
    opened_[number] = file->second;
    return number;
  }

  std::optional<long> control(support::faked_calls::argument_list a) const {
    const auto request = static_cast<unsigned long>(a[1]);
    if (const auto found = requests.find(request); found != requests.end()) return found->second;
    if (request != uapi::ioctl_api || features_left_out == 0) return std::nullopt;
    const long outcome = support::faked_calls::real(SYS_ioctl, a);
    reinterpret_cast<uapi::uffdio_api*>(a[2])->features &= ~features_left_out;
    return outcome;
  }

  std::map<long, std::string> opened_;
};

bool mentions(const char* advice, const char* word) {
  return std::strstr(advice, word) != nullptr;
}

}  // namespace

TEST_CASE("probe: a machine where everything works, and what it is") {
  machine good;
  good.soft_dirty_bits = true;
  const machine_report report = good.report();
  for (const auto& mechanism : report.mechanisms) {
    CHECK(mechanism.works());
    CHECK_FALSE(mechanism.why);
  }
  CHECK(report.best() == mechanism_kind::uffd_async);
  CHECK(std::string(report.machine.release) == "6.18.0-test");
  CHECK(report.machine.new_enough());
  CHECK(report.machine.page == static_cast<std::size_t>(::getpagesize()));
  CHECK(report.machine.userfaultfd == userfaultfd_source::system_call);
  CHECK(report.machine.dumpable);
  CHECK(report.machine.proc);
  CHECK(report.machine.seccomp_known);
  CHECK_FALSE(report.machine.seccomp);
  CHECK_FALSE(report.machine.container);
  CHECK(report.machine.huge == huge_pages::on_request);
}

TEST_CASE("probe: an old kernel, in each way that it shows") {
  machine old;
  old.release = "6.1.0-13-amd64";
  SUBCASE("it refuses the feature bits") {
    old.requests[uapi::ioctl_api] = -EINVAL;
  }
  SUBCASE("it leaves the feature bits out") {
    old.features_left_out = uapi::feature_wp_async;
  }
  SUBCASE("it does not know PAGEMAP_SCAN") {
    old.requests[uapi::ioctl_pagemap_scan] = -ENOTTY;
  }
  SUBCASE("older still: it does not know the user-mode flag") {
    old.calls[SYS_userfaultfd] = -EINVAL;
  }
  SUBCASE("older still: it has no userfaultfd") {
    old.calls[SYS_userfaultfd] = -ENOSYS;
  }
  const machine_report report = old.report();
  const auto& tracked = report[mechanism_kind::uffd_async];
  CHECK(tracked.reason == obstacle::kernel_too_old);
  CHECK(tracked.why);
  CHECK(mentions(tracked.why.advice, "6.7"));
  CHECK_FALSE(report.machine.new_enough());
  CHECK(report.best() == mechanism_kind::mprotect);
}

TEST_CASE("probe: versions are compared as numbers") {
  machine some;
  some.release = "6.6.99";
  CHECK_FALSE(some.report().machine.new_enough());
  some.release = "6.10.0";
  CHECK(some.report().machine.new_enough());
  some.release = "10.0";
  CHECK(some.report().machine.new_enough());
  some.release = "strange";
  CHECK_FALSE(some.report().machine.new_enough());
}

TEST_CASE("probe: a new kernel built without it") {
  machine bare;
  SUBCASE("no userfaultfd") {
    bare.calls[SYS_userfaultfd] = -ENOSYS;
  }
  SUBCASE("no asynchronous write-protect") {
    bare.features_left_out = uapi::feature_wp_async;
  }
  SUBCASE("no pagemap") {
    bare.refused["/proc/self/pagemap"] = -ENOENT;
  }
  const auto report = bare.report();
  CHECK(report[mechanism_kind::uffd_async].reason == obstacle::kernel_config);
  CHECK(mentions(report[mechanism_kind::uffd_async].why.advice, "CONFIG_PTE_MARKER_UFFD_WP"));
  CHECK(report[mechanism_kind::soft_dirty].reason == obstacle::kernel_config);
  CHECK(mentions(report[mechanism_kind::soft_dirty].why.advice, "CONFIG_MEM_SOFT_DIRTY"));
}

TEST_CASE("probe: a seccomp filter, a container's, and neither") {
  machine confined;
  SUBCASE("EPERM") {
    confined.calls[SYS_userfaultfd] = -EPERM;
  }
  SUBCASE("ENOSYS, which newer profiles answer to what they do not know") {
    confined.calls[SYS_userfaultfd] = -ENOSYS;
  }
  confined.files["/proc/self/status"] = "Name:\tx\nSeccomp:\t2\n";
  const auto filtered = confined.report();
  CHECK(filtered.machine.seccomp);
  CHECK(filtered.machine.userfaultfd == userfaultfd_source::none);
  CHECK(filtered[mechanism_kind::uffd_async].reason == obstacle::seccomp);
  CHECK(mentions(filtered[mechanism_kind::uffd_async].why.advice, "adopt"));

  for (const char* mark : {"/.dockerenv", "/run/.containerenv", "/run/systemd/container"}) {
    machine inside = confined;
    inside.refused.erase(mark);
    inside.files[mark] = "";
    const auto contained = inside.report();
    CHECK(contained.machine.container);
    CHECK(contained[mechanism_kind::uffd_async].reason == obstacle::container);
    CHECK(mentions(contained[mechanism_kind::uffd_async].why.advice, "--device /dev/userfaultfd"));
  }
}

TEST_CASE("probe: refused though nothing filters") {
  machine guarded;
  SUBCASE("the call") {
    guarded.calls[SYS_userfaultfd] = -EPERM;
  }
  SUBCASE("the file, of a dumpable process") {
    guarded.refused["/proc/self/pagemap"] = -EACCES;
  }
  const auto report = guarded.report();
  CHECK(report[mechanism_kind::uffd_async].reason == obstacle::policy);
  CHECK(mentions(report[mechanism_kind::uffd_async].why.advice, "SELinux"));
}

TEST_CASE("probe: not dumpable") {
  machine closed;
  closed.refused["/proc/self/pagemap"] = -EACCES;
  closed.dumpable = 2;  // what fs.suid_dumpable may make of it
  const auto report = closed.report();
  CHECK_FALSE(report.machine.dumpable);
  for (const auto kind : {mechanism_kind::uffd_async, mechanism_kind::soft_dirty}) {
    CHECK(report[kind].reason == obstacle::not_dumpable);
    CHECK(mentions(report[kind].why.advice, "PR_SET_DUMPABLE"));
  }
  CHECK(report[mechanism_kind::mprotect].works());
}

TEST_CASE("probe: no /proc") {
  machine bare;
  for (const char* path :
       {"/proc/self/status", "/proc/self/pagemap", "/proc/self/clear_refs", "/proc/self/maps"}) {
    bare.refused[path] = -ENOENT;
  }
  const auto report = bare.report();
  CHECK_FALSE(report.machine.proc);
  CHECK_FALSE(report.machine.seccomp_known);
  CHECK(report[mechanism_kind::uffd_async].reason == obstacle::no_proc);
  CHECK(mentions(report[mechanism_kind::uffd_async].why.advice, "mount proc"));
  CHECK(report.best() == mechanism_kind::mprotect);
}

TEST_CASE("probe: out of descriptors or memory") {
  machine full;
  SUBCASE("descriptors") {
    full.calls[SYS_userfaultfd] = -EMFILE;
  }
  SUBCASE("memory") {
    full.calls[SYS_mmap] = -ENOMEM;
  }
  const auto report = full.report();
  CHECK(report[mechanism_kind::uffd_async].reason == obstacle::exhausted);
  CHECK(mentions(report[mechanism_kind::uffd_async].why.advice, "ulimit"));
}

TEST_CASE("probe: feature bits are not believed") {
  machine liar;
  SUBCASE("scans that never find anything") {
    liar.requests[uapi::ioctl_pagemap_scan] = 0;
    CHECK(liar.report()[mechanism_kind::uffd_async].reason == obstacle::self_test);
  }
  SUBCASE("protection that does not protect") {
    liar.calls[SYS_mprotect] = 0;
    CHECK(liar.report()[mechanism_kind::mprotect].reason == obstacle::self_test);
  }
  SUBCASE("another error than any that is known") {
    liar.requests[uapi::ioctl_register] = -EXDEV;
    const auto report = liar.report();
    CHECK(report[mechanism_kind::uffd_async].reason == obstacle::other);
    CHECK(report[mechanism_kind::uffd_async].why.code == EXDEV);
  }
}

TEST_CASE("probe: nothing works") {
  machine hopeless;
  hopeless.calls[SYS_userfaultfd] = -ENOSYS;
  hopeless.calls[SYS_mprotect] = -EACCES;
  CHECK_FALSE(hopeless.report().best());
}
