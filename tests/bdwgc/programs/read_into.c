/* read_into ROUNDS: system calls that write into old objects: bytes, and the only pointers to new objects. */
#include "leaf.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum { objects = 4096, links = 62 };

struct target {
  struct leaf* link[links];
};

static struct target** targets;
static uint64_t expected[objects];

/* The pointer goes through a pipe, byte by byte turned round, so that no copy of it stays on the way. */
__attribute__((noinline)) static int read_pointer(int from, int to, struct leaf** into, uint64_t number) {
  struct leaf* fresh = new_leaf(number);
  if (write(to, &fresh, sizeof fresh) != (ssize_t)sizeof fresh) return 0;
  return read(from, into, sizeof *into) == (ssize_t)sizeof *into;
}

int main(int argc, char** argv) {
  const long rounds = argc > 1 ? atol(argv[1]) : 10;
  int ends[2];
  if (rounds < 1 || pipe(ends) != 0) return 2;
  GC_INIT();
  GC_set_free_space_divisor(16);
  targets = GC_MALLOC(objects * sizeof *targets);
  for (int i = 0; i < objects; ++i) targets[i] = GC_MALLOC(sizeof(struct target));
  GC_gcollect(); /* they are old now, and their pages clean */

  uint64_t random = 88172645463325252u;
  uint64_t number = 1;
  long failed = 0;
  long lost = 0;
  for (long round = 0; round < rounds; ++round) {
    for (int i = 0; i < objects; ++i) {
      const uint64_t slot = (uint64_t)i % links;
      if (!read_pointer(ends[0], ends[1], &targets[i]->link[slot], number)) {
        if (errno == EFAULT) ++failed;
        char rest[sizeof(void*)];
        (void)!read(ends[0], rest, sizeof rest);
        targets[i]->link[slot] = new_leaf(number);
      }
      expected[i] = number++;
      if (i % 256 == 0) clear_stack_below();
      for (int garbage = 0; garbage < 4; ++garbage) new_leaf(next_random(&random) % 1000);
    }
    for (int i = 0; i < objects; ++i) {
      if (!is_leaf(targets[i]->link[(uint64_t)i % links], expected[i])) ++lost;
    }
  }
  printf("EFAULT %ld\n", failed);
  return report(lost);
}
