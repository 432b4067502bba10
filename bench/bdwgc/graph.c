/* graph MEGABYTES ALLOCATIONS PER_WRITE: a graph of nodes that stay, with a reference in an old node replaced
 * after every so many allocations of nodes that mostly go. */
#include <gc/gc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { links = 5 };

struct node {
  struct node* link[links];
  uint64_t number;
  uint64_t inverse;
  uint64_t filling;
};

static uint64_t state = 88172645463325252u;
static uint64_t next_random(void) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return state;
}

static struct node* new_node(uint64_t number) {
  struct node* node = GC_MALLOC(sizeof *node);
  if (node == NULL) exit(3);
  node->number = number;
  node->inverse = ~number;
  return node;
}

int main(int argc, char** argv) {
  const long megabytes = argc > 1 ? atol(argv[1]) : 500;
  const long allocations = argc > 2 ? atol(argv[2]) : 20000000;
  const long per_write = argc > 3 ? atol(argv[3]) : 1000;
  const uint64_t nodes = (uint64_t)megabytes * 1000000 / (sizeof(struct node) + 16);
  if (megabytes < 1 || nodes == 0 || allocations < 1 || per_write < 1) return 2;
  GC_INIT();
  struct node** all = GC_MALLOC(nodes * sizeof *all);
  for (uint64_t i = 0; i < nodes; ++i) {
    all[i] = new_node(i);
    for (int l = 0; l < links && i > 0; ++l) all[i]->link[l] = all[next_random() % i];
  }
  uint64_t damaged = 0;
  for (long i = 0; i < allocations; ++i) {
    struct node* fresh = new_node((uint64_t)i);
    if (i % per_write != 0) continue;
    struct node* old = all[next_random() % nodes];
    fresh->link[0] = old->link[0];
    old->link[i / per_write % links] = fresh;
    const struct node* other = all[next_random() % nodes];
    for (int l = 0; l < links; ++l) {
      damaged += other->link[l] != NULL && other->link[l]->number != ~other->link[l]->inverse;
    }
  }
  printf("%lu nodes, %lu damaged\n", (unsigned long)nodes, (unsigned long)damaged);
  return damaged == 0 ? 0 : 1;
}
