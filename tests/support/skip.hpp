// Skipping loudly: a test that cannot run here says so, and is counted as skipped and not as passed.
#ifndef GCBARRIER_TESTS_SUPPORT_SKIP_HPP
#define GCBARRIER_TESTS_SUPPORT_SKIP_HPP

// At most once a test case.
void count_as_skipped(const char* why);

// Leaves the test case. `why` says what is missing.
#define SKIP_TEST(why)     \
  do {                     \
    count_as_skipped(why); \
    return;                \
  } while (false)

#endif
