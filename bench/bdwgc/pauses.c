/* Preloaded into a program that uses libgc: writes how long each of its pauses was, in microseconds, one a
 * line, to the file that GCBARRIER_PAUSES names, when the program ends.
 *
 * A pause is a stretch of time in which the world is stopped, or libgc finishes a collection under its lock
 * so that whoever allocates has to wait; stretches that follow each other at once are one pause. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <gc/gc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

enum { most = 1 << 20, together_ns = 50000 };

static struct record {
  uint64_t began; /* nanoseconds */
  uint64_t ended;
  uint64_t count;
  uint32_t microseconds[most];
} * record; /* outside of this object's data, which libgc scans for pointers */

static uint64_t now(void) {
  struct timespec at;
  clock_gettime(CLOCK_MONOTONIC, &at);
  return (uint64_t)at.tv_sec * 1000000000u + (uint64_t)at.tv_nsec;
}

static void GC_CALLBACK on_event(GC_EventType event) {
  const uint64_t at = now();
  switch (event) {
    case GC_EVENT_PRE_STOP_WORLD:
    case GC_EVENT_RECLAIM_START:
      if (record->count > 0 && at - record->ended < together_ns) {
        --record->count;
      } else {
        record->began = at;
      }
      break;
    case GC_EVENT_POST_START_WORLD:
    case GC_EVENT_RECLAIM_END:
      if (record->count < most) {
        record->microseconds[record->count++] = (uint32_t)((at - record->began + 500) / 1000);
        record->ended = at;
      }
      break;
    default:
      break;
  }
}

__attribute__((constructor)) static void begin(void) {
  void (*set)(GC_on_collection_event_proc) =
      (void (*)(GC_on_collection_event_proc))dlsym(RTLD_DEFAULT, "GC_set_on_collection_event");
  if (set == NULL || getenv("GCBARRIER_PAUSES") == NULL) return;
  void* memory =
      mmap(NULL, sizeof *record, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) return;
  record = memory;
  set(&on_event);
}

__attribute__((destructor)) static void end(void) {
  if (record == NULL || record->count == 0) return;
  FILE* out = fopen(getenv("GCBARRIER_PAUSES"), "w");
  if (out == NULL) return;
  for (uint64_t i = 0; i < record->count; ++i) fprintf(out, "%u\n", record->microseconds[i]);
  fclose(out);
}
