// A process without /proc, as in a bare sandbox.
#ifndef GCBARRIER_TESTS_SUPPORT_HIDDEN_PROC_HPP
#define GCBARRIER_TESTS_SUPPORT_HIDDEN_PROC_HPP

#include <sched.h>
#include <sys/mount.h>

#include "child.hpp"

namespace support {

// Gives the process, a child of the test's, a mount name space of its own in which /proc is an empty
// directory. Private before, so that nobody else sees it; /proc alone, as in a chroot the root is no mount
// point.
inline bool hide_proc() {
  return ::unshare(CLONE_NEWNS) == 0 &&
         ::mount("none", "/proc", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
         ::mount("none", "/proc", "tmpfs", 0, nullptr) == 0;
}

// Whether that works here: it needs root, and a container may forbid it.
inline bool can_hide_proc() {
  return run_in_child([] { return hide_proc() ? 0 : 1; }) == exited(0);
}

}  // namespace support

#endif
