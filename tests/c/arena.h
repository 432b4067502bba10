/* Memory, and a tracker on it, for the tests of the C interface. */
#ifndef GCBARRIER_TESTS_C_ARENA_H
#define GCBARRIER_TESTS_C_ARENA_H

#include <gcbarrier/gcbarrier.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "check.h"

enum { PAGES = 64 };

static char* map_pages(size_t pages) {
  void* const memory =
      mmap(NULL, pages * gcb_page_size(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return memory == MAP_FAILED ? NULL : memory;
}
static char* page_of(char* memory, size_t number) {
  return memory + number * gcb_page_size();
}

/* The policy that open_with() asks for. */
static int policy = GCB_PROTECT_EVERYTHING;

/* A tracker with that mechanism; null, and the case is skipped, where the machine does not have it. */
static gcb_tracker* open_with(int mechanism) {
  static char line[256];
  gcb_tracker* tracker = NULL;
  gcb_error why = GCB_ERROR_INIT;
  gcb_options options = GCB_OPTIONS_INIT;
  options.mechanism = mechanism;
  options.policy = policy;
  if (gcb_open(&options, &tracker, &why) == 0) return tracker;
  gcb_describe(&why, line, sizeof line);
  check_why = line;
  return NULL;
}

#endif
