/* Test cases in C, counted as every test program is. */
#ifndef GCBARRIER_TESTS_C_CHECK_H
#define GCBARRIER_TESTS_C_CHECK_H

#include <stdio.h>

static int check_passed, check_failed, check_skipped;
static int check_bad;         /* in the case that runs */
static const char* check_why; /* it is skipped; null: it is not */

#define CHECK(condition)                                                     \
  do {                                                                       \
    if (!(condition)) {                                                      \
      printf("%s:%d: CHECK( %s ) failed\n", __FILE__, __LINE__, #condition); \
      check_bad = 1;                                                         \
    }                                                                        \
  } while (0)
/* Leaves the case. */
#define REQUIRE(condition) \
  do {                     \
    CHECK(condition);      \
    if (check_bad) return; \
  } while (0)
#define SKIP(why)      \
  do {                 \
    check_why = (why); \
    return;            \
  } while (0)

static void run_case(const char* name, void (*body)(int), int argument) {
  check_bad = 0;
  check_why = NULL;
  body(argument);
  if (check_bad) {
    ++check_failed;
    printf("FAILED: %s (%d)\n", name, argument);
  } else if (check_why != NULL) {
    ++check_skipped;
    printf("SKIPPED: %s (%d): %s\n", name, argument, check_why);
  } else {
    ++check_passed;
  }
  fflush(stdout);
}
#define RUN(body, argument) run_case(#body, body, argument)

static int check_finish(void) {
  printf("tally: %d passed, %d failed, %d skipped\n", check_passed, check_failed, check_skipped);
  return check_failed > 0;
}

#endif
