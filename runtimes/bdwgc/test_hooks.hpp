// What the tests break on purpose, to show that they notice. Compiled into the tests' own build of the
// library only.
#ifndef GCBARRIER_BDWGC_TEST_HOOKS_HPP
#define GCBARRIER_BDWGC_TEST_HOOKS_HPP

#ifdef GCBARRIER_BDWGC_TEST_HOOKS
#include <cstdlib>
#include <cstring>
#endif

namespace bdwgc::test_hooks {

#ifdef GCBARRIER_BDWGC_TEST_HOOKS

// What the environment variable GCBARRIER_BDWGC_BREAK names.
inline bool broken(const char* part) {
  static const char* const named = std::getenv("GCBARRIER_BDWGC_BREAK");
  return named != nullptr && std::strcmp(named, part) == 0;
}

#else

constexpr bool broken(const char* /*part*/) {
  return false;
}

#endif

// One dirty run in four is reported as clean.
inline bool drop_run() {
  static unsigned runs = 0;
  return broken("dirty runs") && ++runs % 4 == 0;
}
// Objects with mark procedures are treated like others.
inline bool ignore_mark_procedures() {
  return broken("mark procedures");
}
// libgc is left to forget the last pages of its static roots.
inline bool ignore_root_tails() {
  return broken("root tails");
}
// The same for data segments only.
inline bool ignore_segment_tails() {
  return broken("segment tails");
}

}  // namespace bdwgc::test_hooks

#endif
