/* What the programs of these tests allocate: objects that prove that they are still themselves. The program
 * keeps the number of each outside of the collected heap, and the only pointer to it where a missed write
 * would lose it; libgc would hand its memory to the next one then. */
#ifndef GCBARRIER_TESTS_BDWGC_LEAF_H
#define GCBARRIER_TESTS_BDWGC_LEAF_H

#include <gc/gc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

struct leaf {
  uint64_t number;
  uint64_t inverse;
  uint64_t filling[];
};

static inline uint64_t next_random(uint64_t* state) {
  *state ^= *state << 13;
  *state ^= *state >> 7;
  *state ^= *state << 17;
  return *state;
}

/* Of 16 to 200 bytes; holds no pointer. Numbers are small, so that they never look like addresses. */
static inline struct leaf* new_leaf(uint64_t number) {
  const size_t words = number % 24;
  struct leaf* leaf = GC_MALLOC(sizeof *leaf + words * sizeof(uint64_t));
  if (leaf == NULL) {
    fputs("out of memory\n", stderr);
    exit(3);
  }
  leaf->number = number;
  leaf->inverse = ~number;
  for (size_t i = 0; i < words; ++i) leaf->filling[i] = number;
  return leaf;
}

static inline int is_leaf(const struct leaf* leaf, uint64_t number) {
  if (leaf == NULL || leaf->number != number || leaf->inverse != ~number) return 0;
  for (size_t i = 0; i < number % 24; ++i) {
    if (leaf->filling[i] != number) return 0;
  }
  return 1;
}

/* What is left on the stack of a function that has returned may still point to something. */
__attribute__((noinline, unused)) static void clear_stack_below(void) {
  volatile char room[4096];
  for (size_t i = 0; i < sizeof room; ++i) room[i] = 0;
}

static inline int report(long lost) {
  printf("collections %lu\nlost %ld\n", (unsigned long)GC_get_gc_no(), lost);
  return lost == 0 ? 0 : 1;
}

#endif
