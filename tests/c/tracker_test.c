/* The C interface, with each mechanism. */
#define _DEFAULT_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "arena.h"

/* Whether the set is exactly those pages of the memory, ending with -1. */
static int is_pages(const gcb_dirty_set* set, char* memory, const int* numbers) {
  size_t count = 0;
  for (; *numbers >= 0; ++numbers, ++count) {
    if (!gcb_contains(set, page_of(memory, (size_t)*numbers))) return 0;
  }
  return gcb_dirty_bytes(set) == count * gcb_page_size();
}
#define IS_PAGES(set, memory, ...) is_pages(set, memory, (const int[]){__VA_ARGS__, -1})
#define IS_EMPTY(set) (gcb_run_count(set) == 0 && gcb_dirty_bytes(set) == 0)

/* A tracker over PAGES pages, armed. Ends the case where that is not to be had. */
#define OPEN_ARMED(mechanism)                                                 \
  gcb_tracker* const tracker = open_with(mechanism);                          \
  if (tracker == NULL) return;                                                \
  char* const memory = map_pages(PAGES);                                      \
  gcb_error why = GCB_ERROR_INIT;                                             \
  gcb_dirty_set set;                                                          \
  REQUIRE(memory != NULL);                                                    \
  REQUIRE(gcb_add_arena(tracker, memory, PAGES* gcb_page_size(), &why) == 0); \
  gcb_arm(tracker);                                                           \
  (void)set
#define CLOSE()       \
  gcb_close(tracker); \
  CHECK(munmap(memory, PAGES* gcb_page_size()) == 0)

static void writes_are_collected_once(int mechanism) {
  OPEN_ARMED(mechanism);
  gcb_range run;
  gcb_peek(tracker, &set);
  CHECK(IS_EMPTY(&set));
  *page_of(memory, 3) = 1;
  *page_of(memory, 4) = 1;
  *page_of(memory, 9) = 1;
  gcb_peek(tracker, &set);
  CHECK(IS_PAGES(&set, memory, 3, 4, 9));
  gcb_collect(tracker, &set);
  CHECK(IS_PAGES(&set, memory, 3, 4, 9));
  CHECK(gcb_run_count(&set) == 2);
  REQUIRE(gcb_run(&set, 0, &run));
  CHECK(run.begin == (uintptr_t)page_of(memory, 3) && run.end == (uintptr_t)page_of(memory, 5));
  REQUIRE(gcb_run(&set, 1, &run));
  CHECK(run.begin == (uintptr_t)page_of(memory, 9) && run.end == (uintptr_t)page_of(memory, 10));
  CHECK(!gcb_run(&set, 2, &run));
  gcb_collect(tracker, &set);
  CHECK(IS_EMPTY(&set));
  *page_of(memory, 9) = 1; /* the same value */
  gcb_collect(tracker, &set);
  CHECK(IS_PAGES(&set, memory, 9));
  CHECK(gcb_problem(tracker, &why) == 0 && why.code == 0);
  CLOSE();
}

static void arming_forgets(int mechanism) {
  OPEN_ARMED(mechanism);
  *page_of(memory, 3) = 1;
  gcb_arm(tracker);
  gcb_collect(tracker, &set);
  CHECK(IS_EMPTY(&set));
  CLOSE();
}

static void new_memory_is_dirty(int mechanism) {
  OPEN_ARMED(mechanism);
  char* const more = map_pages(2);
  REQUIRE(more != NULL);
  CHECK(gcb_add_arena(tracker, more, 2 * gcb_page_size(), NULL) == 0);
  CHECK(gcb_arena_count(tracker) == 2);
  CHECK(gcb_tracked_bytes(tracker) == (PAGES + 2) * gcb_page_size());
  gcb_collect(tracker, &set);
  CHECK(IS_PAGES(&set, more, 0, 1));
  CHECK(gcb_remove_arena(tracker, more, NULL) == 0);
  CHECK(gcb_arena_count(tracker) == 1);
  *more = 1;
  gcb_collect(tracker, &set);
  CHECK(IS_EMPTY(&set));
  CHECK(munmap(more, 2 * gcb_page_size()) == 0);
  CLOSE();
}

static void arenas_change_size(int mechanism) {
  OPEN_ARMED(mechanism);
  CHECK(gcb_resize_arena(tracker, memory, (PAGES - 2) * gcb_page_size(), &why) == 0);
  CHECK(gcb_tracks(tracker, memory, (PAGES - 2) * gcb_page_size()));
  CHECK(!gcb_tracks(tracker, memory, PAGES * gcb_page_size()));
  CHECK(!gcb_tracks(tracker, memory - 1, 1));
  *page_of(memory, PAGES - 1) = 1;
  gcb_collect(tracker, &set);
  CHECK(!gcb_contains(&set, page_of(memory, PAGES - 1)));
  CHECK(IS_EMPTY(&set) || mechanism == GCB_MPROTECT); /* which takes all of it as written */
  CHECK(gcb_resize_arena(tracker, memory, PAGES * gcb_page_size(), &why) == 0);
  gcb_collect(tracker, &set);
  CHECK(gcb_contains(&set, page_of(memory, PAGES - 2)) && gcb_contains(&set, page_of(memory, PAGES - 1)));
  CHECK(gcb_dirty_bytes(&set) == 2 * gcb_page_size() || mechanism == GCB_MPROTECT);
  gcb_collect(tracker, &set);
  CHECK(IS_EMPTY(&set));
  CHECK(gcb_resize_arena(tracker, memory, 0, &why) == EINVAL);
  CHECK(gcb_resize_arena(tracker, memory + 1, gcb_page_size(), &why) == ENOENT);
  CLOSE();
}

static void ranges_are_collected_alone(int mechanism) {
  OPEN_ARMED(mechanism);
  if ((gcb_traits(tracker) & GCB_CLEARS_WHOLE_PROCESS) != 0) SKIP("it answers for all arenas");
  for (size_t i = 0; i < PAGES; i += 2) *page_of(memory, i) = 1;
  gcb_peek_range(tracker, page_of(memory, 9), 4 * gcb_page_size(), &set);
  CHECK(IS_PAGES(&set, memory, 10, 12));
  gcb_collect_range(tracker, page_of(memory, 9) + 7, 3 * gcb_page_size(), &set); /* widened to 9..12 */
  CHECK(IS_PAGES(&set, memory, 10, 12));
  gcb_collect_range(tracker, page_of(memory, 9), 4 * gcb_page_size(), &set);
  CHECK(IS_EMPTY(&set));
  gcb_collect(tracker, &set);
  CHECK(gcb_dirty_bytes(&set) == (PAGES / 2 - 2) * gcb_page_size());
  CHECK(gcb_contains(&set, page_of(memory, 8)) && gcb_contains(&set, page_of(memory, 14)));
  CHECK(!gcb_contains(&set, page_of(memory, 10)) && !gcb_contains(&set, page_of(memory, 12)));
  CLOSE();
}

static void ranges_keep_what_is_dirty_for_other_reasons(int mechanism) {
  OPEN_ARMED(mechanism);
  if ((gcb_traits(tracker) & GCB_CLEARS_WHOLE_PROCESS) != 0) SKIP("it answers for all arenas");
  gcb_retain(tracker, page_of(memory, 1), 1);
  gcb_retain(tracker, page_of(memory, 20), 1);
  gcb_always_dirty(tracker, page_of(memory, 2), 1, 1);
  gcb_always_dirty(tracker, page_of(memory, 21), 1, 1);
  gcb_collect_range(tracker, memory, 8 * gcb_page_size(), &set);
  CHECK(IS_PAGES(&set, memory, 1, 2));
  gcb_collect_range(tracker, memory, 8 * gcb_page_size(), &set);
  CHECK(IS_PAGES(&set, memory, 2));
  gcb_collect(tracker, &set);
  CHECK(IS_PAGES(&set, memory, 2, 20, 21));
  gcb_collect(tracker, &set);
  CHECK(IS_PAGES(&set, memory, 2, 21));
  CLOSE();
}

static void pages_can_be_dirty_without_a_write(int mechanism) {
  OPEN_ARMED(mechanism);
  gcb_retain(tracker, page_of(memory, 5), 1);
  gcb_always_dirty(tracker, page_of(memory, 7), 2 * gcb_page_size(), 1);
  gcb_collect(tracker, &set);
  CHECK(IS_PAGES(&set, memory, 5, 7, 8));
  gcb_collect(tracker, &set);
  CHECK(IS_PAGES(&set, memory, 7, 8));
  gcb_always_dirty(tracker, page_of(memory, 7), 2 * gcb_page_size(), 0);
  gcb_collect(tracker, &set); /* once more */
  gcb_collect(tracker, &set);
  CHECK(IS_EMPTY(&set));
  CHECK(gcb_expect_writes(tracker, page_of(memory, 30), 8 * gcb_page_size(), &why) == 0);
  memset(page_of(memory, 30), 1, 8 * gcb_page_size());
  gcb_collect(tracker, &set);
  CHECK(IS_PAGES(&set, memory, 30, 31, 32, 33, 34, 35, 36, 37));
  CLOSE();
}

static void sets_are_cut(int mechanism) {
  OPEN_ARMED(mechanism);
  for (size_t i = 10; i < 30; ++i) *page_of(memory, i) = 1;
  *page_of(memory, 40) = 1;
  gcb_collect(tracker, &set);
  size_t sum = 0;
  uintptr_t reached = 0;
  for (size_t i = 0; i < 4; ++i) {
    gcb_dirty_set share;
    gcb_range run;
    gcb_share(&set, i, 4, gcb_page_size(), &share);
    CHECK(gcb_dirty_bytes(&share) >= 4 * gcb_page_size() && gcb_dirty_bytes(&share) <= 6 * gcb_page_size());
    sum += gcb_dirty_bytes(&share);
    for (size_t at = 0; gcb_run(&share, at, &run); ++at) {
      CHECK(run.begin >= reached && run.end > run.begin);
      reached = run.end;
    }
  }
  CHECK(sum == gcb_dirty_bytes(&set));
  CHECK(gcb_touches(&set, page_of(memory, 5), 6 * gcb_page_size()));
  CHECK(!gcb_touches(&set, page_of(memory, 5), 5 * gcb_page_size()));
  gcb_dirty_set part;
  gcb_between(&set, page_of(memory, 28), 20 * gcb_page_size(), &part);
  CHECK(IS_PAGES(&part, memory, 28, 29, 40));
  CLOSE();
}

static void system_calls_are_seen(int mechanism) {
  OPEN_ARMED(mechanism);
  const int zero = open("/dev/zero", O_RDONLY);
  REQUIRE(zero >= 0);
  const ssize_t got = read(zero, page_of(memory, 11), 100);
  const int refused = errno;
  if ((gcb_traits(tracker) & GCB_SEES_SYSTEM_CALLS) != 0) {
    CHECK(got == 100);
    gcb_collect(tracker, &set);
    CHECK(IS_PAGES(&set, memory, 11));
  } else {
    CHECK(got == -1 && refused == EFAULT);
  }
  close(zero);
  CLOSE();
}

static void a_child_begins_with_everything(int mechanism) {
  OPEN_ARMED(mechanism);
  *page_of(memory, 3) = 1;
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    gcb_collect(tracker, &set);
    const int everything = gcb_dirty_bytes(&set) == PAGES * gcb_page_size();
    *page_of(memory, 9) = 1;
    gcb_collect(tracker, &set);
    _exit(everything && IS_PAGES(&set, memory, 9) ? 0 : 1);
  }
  int status = -1;
  CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
  gcb_collect(tracker, &set);
  CHECK(IS_PAGES(&set, memory, 3));
  CLOSE();
}

static void lost_tracking_widens(int mechanism) {
  OPEN_ARMED(mechanism);
  CHECK(mmap(page_of(memory, 8), gcb_page_size(), PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED);
  gcb_collect(tracker, &set);
  CHECK(gcb_dirty_bytes(&set) == PAGES * gcb_page_size());
  char line[256];
  CHECK(gcb_problem(tracker, &why) == EPERM && why.code == EPERM);
  CHECK(why.where.begin == (uintptr_t)memory);
  CHECK(gcb_describe(&why, line, sizeof line) == strlen(line));
  CHECK(strstr(line, "PAGEMAP_SCAN on [0x") != NULL && strstr(line, "Operation not permitted") != NULL);
  gcb_collect(tracker, &set);
  CHECK(IS_EMPTY(&set));
  CHECK(gcb_problem(tracker, NULL) == 0);
  CLOSE();
}

static void arenas_are_checked(int mechanism) {
  OPEN_ARMED(mechanism);
  const size_t page = gcb_page_size();
  CHECK(gcb_add_arena(tracker, memory + 1, page, &why) == EINVAL);
  CHECK(why.code == EINVAL && strcmp(why.operation, "add_arena") == 0 && *why.advice != '\0');
  CHECK(why.where.begin == (uintptr_t)memory + 1 && why.where.end == (uintptr_t)memory + 1 + page);
  CHECK(gcb_add_arena(tracker, memory, 0, &why) == EINVAL);
  CHECK(gcb_add_arena(tracker, memory, page, &why) == EEXIST);
  char* const other = map_pages(2);
  REQUIRE(other != NULL && mprotect(other, page, PROT_READ) == 0);
  CHECK(gcb_add_arena(tracker, other, 2 * page, &why) == EACCES);
  REQUIRE(munmap(other + page, page) == 0);
  CHECK(gcb_add_arena(tracker, other, 2 * page, NULL) != 0);
  CHECK(munmap(other, page) == 0);
  CHECK(gcb_remove_arena(tracker, other, &why) == ENOENT);
  CLOSE();
}

static void counters_count(int mechanism) {
  OPEN_ARMED(mechanism);
  gcb_counters before = GCB_COUNTERS_INIT;
  gcb_counters after = GCB_COUNTERS_INIT;
  gcb_read_counters(tracker, &before);
  *page_of(memory, 3) = 1;
  gcb_collect(tracker, &set);
  gcb_read_counters(tracker, &after);
  CHECK(after.collections == before.collections + 1);
  CHECK(after.pages_dirty == before.pages_dirty + 1);
  CHECK(after.pages_scanned == before.pages_scanned + PAGES);
  CHECK(after.pages_armed > before.pages_armed);
  CHECK(after.system_calls > before.system_calls);
  CHECK(after.nanoseconds > before.nanoseconds);
  CLOSE();
}

static void only_what_pays_is_protected(int mechanism) {
  policy = GCB_PROTECT_WHAT_PAYS;
  gcb_tracker* const learning = open_with(mechanism);
  policy = GCB_PROTECT_EVERYTHING;
  gcb_tracker* const plain = open_with(mechanism);
  REQUIRE(learning != NULL && plain != NULL);
  enum { hot = 16, cycles = 60, learnt = 20 };
  uint64_t armed[2] = {0, 0};
  for (int i = 0; i < 2; ++i) {
    gcb_tracker* const tracker = i == 0 ? learning : plain;
    char* const memory = map_pages(PAGES);
    gcb_dirty_set set;
    REQUIRE(memory != NULL && gcb_add_arena(tracker, memory, PAGES * gcb_page_size(), NULL) == 0);
    gcb_arm(tracker);
    gcb_counters counters = GCB_COUNTERS_INIT;
    uint64_t before = 0;
    for (size_t cycle = 0; cycle < cycles; ++cycle) {
      char* const cold = page_of(memory, hot + cycle % (PAGES - hot));
      for (size_t page = 0; page < hot; ++page) *page_of(memory, page) = 1;
      *cold = 1;
      gcb_peek(tracker, &set);
      CHECK(gcb_touches(&set, cold, 1));
      for (size_t page = 0; page < hot; ++page) CHECK(gcb_contains(&set, page_of(memory, page)));
      gcb_found_young(tracker, memory, hot * gcb_page_size());
      gcb_arm(tracker);
      gcb_read_counters(tracker, &counters);
      if (cycle == learnt) before = counters.pages_armed;
    }
    armed[i] = counters.pages_armed - before;
    /* Once nobody writes any more, all of it is protected in the end. */
    for (int cycle = 0; cycle < 300; ++cycle) {
      gcb_peek(tracker, &set);
      gcb_arm(tracker);
    }
    gcb_collect(tracker, &set);
    CHECK(IS_EMPTY(&set));
    gcb_close(tracker);
    CHECK(munmap(memory, PAGES * gcb_page_size()) == 0);
  }
  CHECK(armed[1] >= (uint64_t)hot * (cycles - learnt - 1) || mechanism == GCB_MPROTECT);
  CHECK(armed[0] < armed[1] / 2 || mechanism == GCB_MPROTECT);
}

static void cold_memory_goes_to_huge_pages(int mechanism) {
  gcb_tracker* const tracker = open_with(mechanism);
  REQUIRE(tracker != NULL);
  const size_t huge = gcb_page_size() * gcb_page_size() / 8;
  char* const memory = map_pages(2 * huge / gcb_page_size()); /* at least one whole block */
  gcb_dirty_set set;
  REQUIRE(memory != NULL);
  memset(memory, 1, 2 * huge);
  REQUIRE(gcb_add_arena(tracker, memory, 2 * huge, NULL) == 0);
  gcb_arm(tracker);
  for (int cycle = 0; cycle < 3; ++cycle) {
    gcb_peek(tracker, &set);
    CHECK(IS_EMPTY(&set));
    const size_t moved = gcb_collapse_cold(tracker, UINT64_MAX, 2);
    CHECK((moved > 0) == (mechanism == GCB_UFFD_ASYNC && cycle == 1));
    CHECK(gcb_problem(tracker, NULL) == 0);
    gcb_arm(tracker);
  }
  for (size_t at = 0; at < 2 * huge; at += huge / 2) memory[at] = 2;
  gcb_collect(tracker, &set);
  for (size_t at = 0; at < 2 * huge; at += huge / 2) CHECK(gcb_contains(&set, memory + at));
  CHECK(gcb_dirty_bytes(&set) == 4 * gcb_page_size());
  gcb_close(tracker);
  CHECK(munmap(memory, 2 * huge) == 0);
}

static void probing_agrees_with_opening(int mechanism) {
  gcb_error why = GCB_ERROR_INIT;
  const int obstacle = gcb_probe(mechanism, &why);
  gcb_tracker* const tracker = open_with(mechanism);
  check_why = NULL;
  CHECK((obstacle == GCB_WORKS) == (tracker != NULL));
  CHECK((why.code == 0) == (tracker != NULL));
  if (tracker != NULL) CHECK(gcb_chosen(tracker) == mechanism && gcb_refusal(tracker, mechanism, &why) == 0);
  gcb_close(tracker);
}

static void every_other_case(int mechanism) {
  (void)open_with(mechanism);
}

/* ---- without a mechanism of one's own ---- */

static void the_best_is_chosen_and_says_why(int unused) {
  (void)unused;
  gcb_tracker* tracker = NULL;
  gcb_error why = GCB_ERROR_INIT;
  REQUIRE(gcb_open(NULL, &tracker, &why) == 0);
  for (int better = GCB_UFFD_ASYNC; better < gcb_chosen(tracker); ++better) {
    CHECK(gcb_refusal(tracker, better, &why) != 0 && why.code != 0 && *why.operation != '\0');
  }
  CHECK(gcb_refusal(tracker, gcb_chosen(tracker), &why) == 0);
  CHECK(gcb_refusal(tracker, 17, &why) == EINVAL);
  gcb_close(tracker);
  gcb_close(NULL);
}

static void options_are_checked(int unused) {
  (void)unused;
  gcb_tracker* tracker = (gcb_tracker*)&unused;
  gcb_error why = GCB_ERROR_INIT;
  gcb_options options = GCB_OPTIONS_INIT;
  options.mechanism = 4;
  CHECK(gcb_open(&options, &tracker, &why) == EINVAL && why.code == EINVAL && tracker == NULL);
  options.mechanism = -1;
  CHECK(gcb_open(&options, &tracker, NULL) == EINVAL);
  options.mechanism = GCB_BEST;
  options.policy = 2;
  CHECK(gcb_open(&options, &tracker, &why) == EINVAL && tracker == NULL &&
        strstr(why.advice, "policy") != NULL);
  CHECK(gcb_probe(4, &why) == GCB_OTHER && why.code == EINVAL);
  CHECK(strcmp(gcb_mechanism_name(4), "unknown") == 0 && strcmp(gcb_mechanism_name(GCB_BEST), "best") == 0);
  CHECK(strcmp(gcb_mechanism_name(GCB_MPROTECT), "mprotect") == 0);
}

/* A program that was compiled with a newer or an older header. */
static void structs_may_grow(int unused) {
  (void)unused;
  struct {
    gcb_options known;
    uint64_t unknown; /* as wide as it is aligned: padding would be unknown bytes too, of any value */
  } newer = {GCB_OPTIONS_INIT, 0};
  gcb_tracker* tracker = NULL;
  newer.known.size = sizeof newer;
  CHECK(gcb_open(&newer.known, &tracker, NULL) == 0);
  gcb_close(tracker);
  newer.unknown = 1;
  CHECK(gcb_open(&newer.known, &tracker, NULL) == E2BIG);

  gcb_options zero;
  memset(&zero, 0, sizeof zero);
  CHECK(gcb_open(&zero, &tracker, NULL) == 0); /* a size of 0 is that of version 0.1 */

  struct {
    gcb_counters known;
    unsigned char after[8];
  } room;
  memset(&room, 0xab, sizeof room);
  room.known.size = offsetof(gcb_counters, pages_dirty); /* older than ours */
  gcb_read_counters(tracker, &room.known);
  CHECK(room.known.collections == 0 && room.known.pages_scanned == 0);
  CHECK(room.known.pages_dirty == 0xabababababababab);
  CHECK(room.known.size == offsetof(gcb_counters, pages_dirty));
  room.known.size = sizeof room; /* newer: what the library does not know stays */
  gcb_read_counters(tracker, &room.known);
  CHECK(room.known.nanoseconds != 0xabababababababab && room.after[0] == 0xab);
  gcb_close(tracker);
}

static void descriptors_are_adopted(int unused) {
  (void)unused;
  gcb_options options = GCB_OPTIONS_INIT;
  gcb_tracker* tracker = NULL;
  gcb_dirty_set set;
  options.adopt = 1;
  options.userfaultfd =
      open("/dev/null", O_RDWR | O_CLOEXEC); /* not a userfaultfd: found out when it is used */
  options.pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
  REQUIRE(gcb_open(&options, &tracker, NULL) == 0);
  CHECK(gcb_chosen(tracker) == GCB_UFFD_ASYNC);
  char* const memory = map_pages(1);
  CHECK(gcb_add_arena(tracker, memory, gcb_page_size(), NULL) != 0);
  gcb_collect(tracker, &set);
  CHECK(IS_EMPTY(&set));
  gcb_close(tracker);
  CHECK(fcntl(options.userfaultfd, F_GETFD) == -1 &&
        fcntl(options.pagemap, F_GETFD) == -1); /* were its own */
  munmap(memory, gcb_page_size());
}

static void errors_are_described(int unused) {
  (void)unused;
  gcb_error why = GCB_ERROR_INIT;
  char line[32];
  CHECK(gcb_describe(&why, line, sizeof line) == strlen("no error") && strcmp(line, "no error") == 0);
  why.code = ENOMEM;
  why.operation = "a call";
  why.advice = "do something about it, at length";
  CHECK(gcb_describe(&why, line, sizeof line) > sizeof line); /* cut, and the whole length known */
  CHECK(strlen(line) == sizeof line - 1);
  CHECK(gcb_describe(&why, NULL, 0) == gcb_describe(&why, line, sizeof line));
}

static void versions_agree(int unused) {
  (void)unused;
  char text[32];
  snprintf(text, sizeof text, "%d.%d.%d", GCB_VERSION_MAJOR, GCB_VERSION_MINOR, GCB_VERSION_PATCH);
  CHECK(strcmp(gcb_version(), text) == 0);
  CHECK(gcb_page_size() == (size_t)sysconf(_SC_PAGESIZE));
}

int main(void) {
  for (int mechanism = GCB_UFFD_ASYNC; mechanism <= GCB_MPROTECT; ++mechanism) {
    RUN(probing_agrees_with_opening, mechanism);
    if (mechanism == GCB_SOFT_DIRTY && gcb_probe(mechanism, NULL) != GCB_WORKS) {
      RUN(every_other_case, mechanism);
      continue;
    }
    RUN(writes_are_collected_once, mechanism);
    RUN(arming_forgets, mechanism);
    RUN(new_memory_is_dirty, mechanism);
    RUN(arenas_change_size, mechanism);
    RUN(ranges_are_collected_alone, mechanism);
    RUN(ranges_keep_what_is_dirty_for_other_reasons, mechanism);
    RUN(pages_can_be_dirty_without_a_write, mechanism);
    RUN(sets_are_cut, mechanism);
    RUN(system_calls_are_seen, mechanism);
    RUN(a_child_begins_with_everything, mechanism);
    if (mechanism == GCB_UFFD_ASYNC) RUN(lost_tracking_widens, mechanism);
    RUN(arenas_are_checked, mechanism);
    RUN(counters_count, mechanism);
    RUN(cold_memory_goes_to_huge_pages, mechanism);
    if (mechanism != GCB_SOFT_DIRTY) RUN(only_what_pays_is_protected, mechanism);
  }
  RUN(the_best_is_chosen_and_says_why, 0);
  RUN(options_are_checked, 0);
  RUN(structs_may_grow, 0);
  RUN(descriptors_are_adopted, 0);
  RUN(errors_are_described, 0);
  RUN(versions_agree, 0);
  return check_finish();
}
