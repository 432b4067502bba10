/* The calls of Windows' write watch, and what its documentation says of them. */
#define _DEFAULT_SOURCE
#include <errno.h>
#include <gcbarrier/write_watch.h>

#include "arena.h"

enum { RESET = GCB_WRITE_WATCH_RESET };

#define WATCH(mechanism)                                       \
  gcb_tracker* const tracker = open_with(mechanism);           \
  if (tracker == NULL) return;                                 \
  char* const memory = map_pages(PAGES);                       \
  const size_t size = PAGES * gcb_page_size();                 \
  void* addresses[PAGES + 1];                                  \
  uintptr_t count = PAGES;                                     \
  uint32_t granularity = 0;                                    \
  REQUIRE(memory != NULL);                                     \
  memset(memory, 1, size); /* before it is watched */          \
  REQUIRE(gcb_watch_writes(tracker, memory, size, NULL) == 0); \
  (void)count, (void)granularity, (void)addresses
#define CLOSE()       \
  gcb_close(tracker); \
  CHECK(munmap(memory, size) == 0)

/* The number of pages that one call returns with room for so many; PAGES + 1: it failed. */
static uintptr_t get(gcb_tracker* tracker, uint32_t flags, char* base, size_t size, void** addresses,
                     uintptr_t room) {
  uintptr_t count = room;
  uint32_t granularity = 0;
  if (gcb_get_write_watch(tracker, flags, base, size, addresses, &count, &granularity) != 0) return PAGES + 1;
  return granularity == gcb_page_size() ? count : PAGES + 1;
}
#define GET(flags, room) get(tracker, flags, memory, size, addresses, room)

static void nothing_is_written_at_first(int mechanism) {
  WATCH(mechanism);
  CHECK(GET(0, PAGES) == 0);
  CLOSE();
}

static void addresses_ascend_and_stay_until_reset(int mechanism) {
  WATCH(mechanism);
  *page_of(memory, 9) = 1;
  *page_of(memory, 2) = 1;
  page_of(memory, 3)[17] = 1;
  for (int again = 0; again < 2; ++again) {
    REQUIRE(GET(0, PAGES) == 3);
    CHECK(addresses[0] == page_of(memory, 2) && addresses[1] == page_of(memory, 3));
    CHECK(addresses[2] == page_of(memory, 9));
  }
  CHECK(GET(RESET, PAGES) == 3);
  CHECK(GET(RESET, PAGES) == 0);
  *page_of(memory, 3) = 1;
  CHECK(GET(RESET, PAGES) == 1);
  CHECK(addresses[0] == page_of(memory, 3));
  CLOSE();
}

/* Only the pages that are returned are reset. */
static void what_does_not_fit_stays_written(int mechanism) {
  WATCH(mechanism);
  for (size_t i = 0; i < 20; ++i) *page_of(memory, 2 * i) = 1;
  *page_of(memory, 1) = 1;
  addresses[7] = NULL;
  REQUIRE(GET(RESET, 7) == 7); /* 0 1 2 4 6 8 10 */
  CHECK(addresses[0] == memory && addresses[1] == page_of(memory, 1) && addresses[6] == page_of(memory, 10));
  CHECK(addresses[7] == NULL);
  *page_of(memory, 4) = 1;     /* a returned one, written again */
  REQUIRE(GET(RESET, 7) == 7); /* 4 12 14 16 18 20 22 */
  CHECK(addresses[0] == page_of(memory, 4) && addresses[1] == page_of(memory, 12));
  CHECK(addresses[6] == page_of(memory, 22));
  CHECK(GET(0, PAGES) == 8);
  REQUIRE(GET(RESET, PAGES) == 8);
  CHECK(addresses[0] == page_of(memory, 24) && addresses[7] == page_of(memory, 38));
  CHECK(GET(RESET, PAGES) == 0);
  CLOSE();
}

static void the_last_run_is_cut_where_it_is_full(int mechanism) {
  WATCH(mechanism);
  memset(page_of(memory, 10), 1, 10 * gcb_page_size());
  REQUIRE(GET(RESET, 4) == 4);
  CHECK(addresses[3] == page_of(memory, 13));
  REQUIRE(GET(RESET, 6) == 6); /* exactly the rest */
  CHECK(addresses[0] == page_of(memory, 14) && addresses[5] == page_of(memory, 19));
  CHECK(GET(RESET, PAGES) == 0);
  CLOSE();
}

static void regions_are_parts(int mechanism) {
  WATCH(mechanism);
  for (size_t i = 0; i < PAGES; i += 4) *page_of(memory, i) = 1;
  REQUIRE(get(tracker, RESET, page_of(memory, 8), 8 * gcb_page_size(), addresses, PAGES) == 2);
  CHECK(addresses[0] == page_of(memory, 8) && addresses[1] == page_of(memory, 12));
  CHECK(get(tracker, RESET, page_of(memory, 20) + 5, 1, addresses, PAGES) == 1); /* widened to its page */
  CHECK(addresses[0] == page_of(memory, 20));
  CHECK(gcb_reset_write_watch(tracker, page_of(memory, 40), 8 * gcb_page_size()) == 0);
  CHECK(GET(0, PAGES) == PAGES / 4 - 5);
  CHECK(gcb_reset_write_watch(tracker, memory, size) == 0);
  CHECK(GET(0, PAGES) == 0);
  CLOSE();
}

static void watching_more_leaves_the_rest_written(int mechanism) {
  WATCH(mechanism);
  *page_of(memory, 5) = 1;
  char* const more = map_pages(2);
  REQUIRE(more != NULL);
  *more = 1;
  CHECK(gcb_watch_writes(tracker, more, 2 * gcb_page_size(), NULL) == 0);
  CHECK(get(tracker, 0, more, 2 * gcb_page_size(), addresses, PAGES) == 0);
  *page_of(more, 1) = 1;
  REQUIRE(get(tracker, RESET, more, 2 * gcb_page_size(), addresses, PAGES) == 1);
  CHECK(addresses[0] == page_of(more, 1));
  REQUIRE(GET(0, PAGES) == 1);
  CHECK(addresses[0] == page_of(memory, 5));
  CHECK(gcb_watch_writes(tracker, more, gcb_page_size(), NULL) == EEXIST);
  CHECK(gcb_remove_arena(tracker, more, NULL) == 0);
  CHECK(get(tracker, 0, more, 2 * gcb_page_size(), addresses, PAGES) == PAGES + 1);
  munmap(more, 2 * gcb_page_size());
  CLOSE();
}

static void bad_calls_change_nothing(int mechanism) {
  WATCH(mechanism);
  *page_of(memory, 5) = 1;
  CHECK(gcb_get_write_watch(tracker, 2, memory, size, addresses, &count, &granularity) == EINVAL);
  CHECK(gcb_get_write_watch(tracker, RESET, memory, size, NULL, &count, &granularity) == EINVAL);
  CHECK(gcb_get_write_watch(tracker, RESET, memory, size, addresses, NULL, &granularity) == EINVAL);
  CHECK(gcb_get_write_watch(tracker, RESET, memory, size, addresses, &count, NULL) == EINVAL);
  CHECK(gcb_get_write_watch(tracker, RESET, memory, 0, addresses, &count, &granularity) == EINVAL);
  CHECK(gcb_get_write_watch(tracker, RESET, memory, size + 1, addresses, &count, &granularity) == EINVAL);
  CHECK(gcb_get_write_watch(tracker, RESET, memory - 1, size, addresses, &count, &granularity) == EINVAL);
  CHECK(count == PAGES && granularity == 0);
  count = 0;
  CHECK(gcb_get_write_watch(tracker, RESET, memory, size, addresses, &count, &granularity) == EINVAL);
  CHECK(gcb_reset_write_watch(tracker, memory, size + 1) == EINVAL);
  CHECK(gcb_reset_write_watch(tracker, memory, 0) == EINVAL);
  CHECK(GET(RESET, PAGES) == 1);
  CLOSE();
}

/* A long random use against a model, with room for few, so that much is put back. */
static void it_agrees_with_a_model(int mechanism) {
  WATCH(mechanism);
  char written[PAGES] = {0};
  unsigned random = 7;
  for (int step = 0; step < 3000; ++step) {
    random = random * 1103515245U + 12345U;
    const size_t page = (random >> 16) % PAGES;
    if ((random >> 10) % 8 != 0) {
      *page_of(memory, page) = 1;
      written[page] = 1;
      continue;
    }
    const size_t end = page + 1 + (random >> 22) % (PAGES - page);
    const uintptr_t room = 1 + (random >> 13) % 5;
    const int reset = (random & 0x8000) != 0;
    const uintptr_t got = get(tracker, reset ? RESET : 0, page_of(memory, page),
                              (end - page) * gcb_page_size(), addresses, room);
    size_t at = page;
    for (uintptr_t i = 0; i < got && i < PAGES; ++i, ++at) {
      while (at < end && !written[at]) ++at;
      REQUIRE(at < end && addresses[i] == page_of(memory, at));
      if (reset) written[at] = 0;
    }
    if (got < room) {
      while (at < end && !written[at]) ++at;
      REQUIRE(at == end);
    } else {
      REQUIRE(got == room);
    }
  }
  CLOSE();
}

int main(void) {
  static const int mechanisms[] = {GCB_UFFD_ASYNC, GCB_MPROTECT};
  for (int i = 0; i < 2; ++i) {
    const int mechanism = mechanisms[i];
    RUN(nothing_is_written_at_first, mechanism);
    RUN(addresses_ascend_and_stay_until_reset, mechanism);
    RUN(what_does_not_fit_stays_written, mechanism);
    RUN(the_last_run_is_cut_where_it_is_full, mechanism);
    RUN(regions_are_parts, mechanism);
    RUN(watching_more_leaves_the_rest_written, mechanism);
    RUN(bad_calls_change_nothing, mechanism);
    RUN(it_agrees_with_a_model, mechanism);
  }
  return check_finish();
}
