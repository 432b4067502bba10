/* mutate THREADS STEPS [fork|close|unmap]: threads that keep replacing objects which only old ones point to,
 * and check them against a list outside of the collected heap. Then again: fork   in children and
 * grandchildren, which go on with their copy close  after closing every descriptor but the standard ones, as
 * daemons do unmap  while another thread maps and unmaps memory beside the heap */
#define _GNU_SOURCE
#define GC_THREADS
#include "leaf.h"

#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { directories = 256, links = 96, most_threads = 8 };

struct directory {
  struct leaf* link[links];
};

struct mutator {
  uint64_t random;
  uint64_t next_number;
  long steps;
  long lost;
  struct directory** all; /* in the collected heap; the pointer to it is a root */
  uint64_t* expected;     /* outside */
};

static struct mutator mutators[most_threads];

static void set_up(struct mutator* m, int index, long steps) {
  m->random = 88172645463325252u + (uint64_t)index;
  m->next_number = 1 + ((uint64_t)index << 32);
  m->steps = steps;
  m->all = GC_MALLOC(directories * sizeof *m->all);
  m->expected = malloc(directories * links * sizeof *m->expected);
  for (int d = 0; d < directories; ++d) {
    m->all[d] = GC_MALLOC(sizeof(struct directory));
    for (int l = 0; l < links; ++l) {
      m->all[d]->link[l] = new_leaf(m->next_number);
      m->expected[d * links + l] = m->next_number++;
    }
  }
}

__attribute__((noinline)) static void replace_one(struct mutator* m) {
  const uint64_t where = next_random(&m->random) % (directories * links);
  m->all[where / links]->link[where % links] = new_leaf(m->next_number);
  m->expected[where] = m->next_number++;
}

__attribute__((noinline)) static void check_one(struct mutator* m, uint64_t where) {
  struct leaf** link = &m->all[where / links]->link[where % links];
  if (is_leaf(*link, m->expected[where])) return;
  ++m->lost;
  *link = new_leaf(m->expected[where]);
}

static void mutate(struct mutator* m, long steps) {
  for (long i = 0; i < steps; ++i) {
    replace_one(m);
    check_one(m, next_random(&m->random) % (directories * links));
    if (i % 1024 == 0) clear_stack_below();
  }
  for (uint64_t where = 0; where < directories * links; ++where) check_one(m, where);
}

static void* run(void* m) {
  mutate(m, ((struct mutator*)m)->steps);
  return NULL;
}

/* A child has one thread, which goes on with the first graph; a grandchild too. Returns what they lost. */
static long descend(int depth, long steps) {
  fflush(stdout);
  const pid_t child = fork();
  if (child < 0) return 1;
  if (child == 0) {
    mutators[0].lost = 0;
    mutate(&mutators[0], steps);
    long lost = mutators[0].lost;
    if (depth > 1) lost += descend(depth - 1, steps);
    _exit(lost == 0 ? 0 : 1);
  }
  mutate(&mutators[0], steps);
  int status = 0;
  waitpid(child, &status, 0);
  return status == 0 ? 0 : 1;
}

static volatile int done;

static void* map_and_unmap(void* near) {
  while (!done) {
    const size_t bytes = 1 << 20;
    char* memory = mmap(near, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) continue;
    for (size_t at = 0; at < bytes; at += 65536) memory[at] = 1;
    munmap(memory, bytes);
  }
  return NULL;
}

static long mutate_while_unmapping(long steps) {
  pthread_t id;
  if (pthread_create(&id, NULL, &map_and_unmap, (char*)mutators[0].all + (64 << 20)) != 0) return 1;
  mutate(&mutators[0], steps);
  done = 1;
  pthread_join(id, NULL);
  return 0;
}

int main(int argc, char** argv) {
  const int threads = argc > 1 ? atoi(argv[1]) : 1;
  const long steps = argc > 2 ? atol(argv[2]) : 100000;
  const char* also = argc > 3 ? argv[3] : "";
  if (threads < 1 || threads > most_threads || steps < 1) return 2;
  if (strcmp(also, "fork") == 0) GC_set_handle_fork(1);
  GC_INIT();
  GC_set_free_space_divisor(64); /* collect often */
  for (int t = 0; t < threads; ++t) set_up(&mutators[t], t, steps);
  pthread_t ids[most_threads];
  for (int t = 1; t < threads; ++t) {
    if (pthread_create(&ids[t], NULL, &run, &mutators[t]) != 0) return 3;
  }
  run(&mutators[0]);
  long lost = 0;
  if (strcmp(also, "fork") == 0) {
    for (int i = 0; i < 3; ++i) lost += descend(2, steps / 4);
  } else if (strcmp(also, "close") == 0) {
    if (close_range(3, ~0U, 0) != 0) return 3;
    mutate(&mutators[0], steps);
  } else if (strcmp(also, "unmap") == 0) {
    lost += mutate_while_unmapping(steps);
  }
  for (int t = 1; t < threads; ++t) pthread_join(ids[t], NULL);
  for (int t = 0; t < threads; ++t) lost += mutators[t].lost;
  return report(lost);
}
