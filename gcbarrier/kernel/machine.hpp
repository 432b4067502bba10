// What this machine and this process are, as far as it decides how written pages can be learnt.
#ifndef GCBARRIER_KERNEL_MACHINE_HPP
#define GCBARRIER_KERNEL_MACHINE_HPP

#include <sys/prctl.h>
#include <sys/utsname.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <span>

#include "../version.hpp"
#include "descriptor.hpp"
#include "system_calls.hpp"
#include "userfaultfd.hpp"

GCBARRIER_NAMESPACE_BEGIN

namespace kernel {

enum class userfaultfd_source : std::uint8_t { none, system_call, device };
enum class huge_pages : std::uint8_t { unknown, never, on_request, always };

constexpr const char* name_of(userfaultfd_source source) {
  switch (source) {
    case userfaultfd_source::none:
      return "not available";
    case userfaultfd_source::system_call:
      return "by the system call";
    case userfaultfd_source::device:
      return "by /dev/userfaultfd";
  }
  return "unknown";
}
constexpr const char* name_of(huge_pages huge) {
  switch (huge) {
    case huge_pages::unknown:
      break;
    case huge_pages::never:
      return "never";
    case huge_pages::on_request:
      return "on request";
    case huge_pages::always:
      return "always";
  }
  return "unknown";
}

struct machine_facts {
  char release[65] = "";  // of the kernel, as uname(2) says
  int version[2] = {};    // its first two numbers
  std::size_t page = 0;   // bytes
  userfaultfd_source userfaultfd = userfaultfd_source::none;
  bool dumpable = false;                  // else /proc/self/pagemap belongs to root and cannot be opened
  bool proc = false;                      // /proc is mounted
  bool seccomp_known = false;             // the line Seccomp: of /proc/self/status could be read
  bool seccomp = false;                   // system calls are filtered
  bool container = false;                 // a hint: a container engine has left its mark in the file system
  huge_pages huge = huge_pages::unknown;  // transparent huge pages for anonymous memory

  // Whether the kernel has asynchronous write-protect and PAGEMAP_SCAN, as far as its version tells.
  [[nodiscard]] bool new_enough() const {
#if defined(__aarch64__)
    constexpr int minor = 10;
#else
    constexpr int minor = 7;
#endif
    return version[0] > 6 || (version[0] == 6 && version[1] >= minor);
  }
};

// The beginning of a small file as text; empty where it cannot be read.
inline const char* read_text(system_calls calls, const char* path, std::span<char> into) {
  into[0] = '\0';
  const descriptor file(calls, static_cast<int>(calls.open(path, O_RDONLY)));
  if (file.number() < 0) return into.data();
  const long length = calls.read(file.number(), into.data(), into.size() - 1);
  into[length > 0 ? static_cast<std::size_t>(length) : 0] = '\0';
  return into.data();
}

inline bool file_exists(system_calls calls, const char* path) {
  return descriptor(calls, static_cast<int>(calls.open(path, O_PATH))).number() >= 0;
}

// Reads only. A sandbox that kills for unexpected system calls kills here for userfaultfd.
inline machine_facts machine(system_calls calls) {
  machine_facts facts;
  facts.page = page_size();

  utsname name{};
  if (calls.call(SYS_uname, &name) == 0) {
    std::snprintf(facts.release, sizeof facts.release, "%s", name.release);
    char* rest = nullptr;
    facts.version[0] = static_cast<int>(std::strtol(facts.release, &rest, 10));
    if (*rest == '.') facts.version[1] = static_cast<int>(std::strtol(rest + 1, nullptr, 10));
  }

  // 0 is not dumpable, 2 (the value of fs.suid_dumpable after setuid) only by root.
  facts.dumpable = calls.call(SYS_prctl, PR_GET_DUMPABLE, 0, 0, 0, 0) == 1;

  char text[4096];
  const char* const seccomp = std::strstr(read_text(calls, "/proc/self/status", text), "\nSeccomp:");
  facts.proc = text[0] != '\0';
  facts.seccomp_known = seccomp != nullptr;
  facts.seccomp = seccomp != nullptr && std::strtol(seccomp + std::strlen("\nSeccomp:"), nullptr, 10) != 0;

  // Docker, Podman, systemd-nspawn and LXC.
  for (const char* mark : {"/.dockerenv", "/run/.containerenv", "/run/systemd/container"}) {
    facts.container |= file_exists(calls, mark);
  }

  read_text(calls, "/sys/kernel/mm/transparent_hugepage/enabled", text);
  if (std::strstr(text, "[always]") != nullptr) facts.huge = huge_pages::always;
  if (std::strstr(text, "[madvise]") != nullptr) facts.huge = huge_pages::on_request;
  if (std::strstr(text, "[never]") != nullptr) facts.huge = huge_pages::never;

  const long direct = calls.call(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | uapi::user_mode_only);
  if (direct >= 0) {
    calls.close(static_cast<int>(direct));
    facts.userfaultfd = userfaultfd_source::system_call;
  } else if (open_userfaultfd(calls)) {
    facts.userfaultfd = userfaultfd_source::device;
  }
  return facts;
}

}  // namespace kernel

GCBARRIER_NAMESPACE_END

#endif
