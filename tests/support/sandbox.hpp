// What takes privileges away from a test's child. For good: only ever in a child.
#ifndef GCBARRIER_TESTS_SUPPORT_SANDBOX_HPP
#define GCBARRIER_TESTS_SUPPORT_SANDBOX_HPP

#include <grp.h>
#include <seccomp.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cstdint>
#include <initializer_list>

namespace support {

// Root becomes nobody, dumpable as if it had been started so; anybody else stays who he is.
inline bool without_privileges() {
  constexpr uid_t nobody = 65534;
  if (::geteuid() != 0) return true;
  return ::setgroups(0, nullptr) == 0 && ::setgid(nobody) == 0 && ::setuid(nobody) == 0 &&
         ::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) == 0;
}

// From now on `action` (SCMP_ACT_...) for these system calls, `otherwise` for all others.
inline bool filter_system_calls(std::uint32_t action, std::initializer_list<int> calls,
                                std::uint32_t otherwise) {
  const scmp_filter_ctx filter = ::seccomp_init(otherwise);
  if (filter == nullptr) return false;
  bool done = true;
  for (const int call : calls) done = done && ::seccomp_rule_add(filter, action, call, 0) == 0;
  done = done && ::seccomp_load(filter) == 0;
  ::seccomp_release(filter);
  return done;
}

}  // namespace support

#endif
