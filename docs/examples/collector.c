/* A generational mark-sweep collector without a write barrier, in C.
 *
 *     cc -std=c99 -O2 collector.c $(pkg-config --cflags --libs gcbarrier) -o collector && ./collector
 *
 * Objects never move. One byte beside the heap says what each cell is: free, young, or old. A minor
 * collection takes every old object for alive. So the young objects that live are those reached from the
 * roots, or from old objects that were written since the last collection, and those lie on the pages that the
 * kernel reports. What survives becomes old. A full collection takes everything for young.
 *
 * New objects are born among old ones here, so most pages that are reported are those of young objects: what
 * a nursery of its own would keep out of the tracked memory.
 *
 * After each collection the program checks that nothing reachable was freed. `./collector --forget` ignores
 * the written pages, and the check fails. */
#define _DEFAULT_SOURCE
#include <gcbarrier/gcbarrier.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

typedef struct node {
  struct node* left; /* of a free cell: the next free one */
  struct node* right;
  size_t value, unused;
} node;

enum state { FREE, YOUNG, OLD };

#define RESERVED ((size_t)64 << 20)
#define CELLS (RESERVED / sizeof(node))

static node* heap;        /* RESERVED bytes, of which the first cell_count cells are in use */
static size_t cell_count; /* what the tracker knows */
static node* free_list;
static size_t free_count;
static unsigned char* states; /* beside the heap: marking must not write to the pages that are tracked */
static node** mark_stack;
static gcb_tracker* tracker;
static int forget;

static node* roots[256];
static size_t root_count;
static size_t minor_count, full_count, dirty_pages;

static void die(const char* what, const gcb_error* why) {
  char line[512] = "";
  if (why != NULL) gcb_describe(why, line, sizeof line);
  fprintf(stderr, "%s%s%s\n", what, why != NULL ? ": " : "", line);
  exit(1);
}

/* ---- marking ---- */

static size_t push_young(node* object, size_t depth) {
  if (object == NULL || states[object - heap] != YOUNG) return depth;
  states[object - heap] = OLD;
  mark_stack[depth] = object;
  return depth + 1;
}

static void mark_from(node* object) {
  size_t depth = push_young(object, 0);
  while (depth > 0) {
    node* const next = mark_stack[--depth];
    depth = push_young(next->left, depth);
    depth = push_young(next->right, depth);
  }
}

/* Old objects in written memory may point to young ones. Objects do not cross pages here, so whole cells are
 * in the run; with larger objects, find the one that the run begins in. */
static void mark_from_written(gcb_range run) {
  node* const end = (node*)run.end;
  for (node* object = (node*)run.begin; object < end; ++object) {
    if (states[object - heap] != OLD) continue;
    mark_from(object->left);
    mark_from(object->right);
  }
}

/* ---- a collection; the world is stopped ---- */

static size_t count_lost(const node* object) {
  if (object == NULL) return 0;
  if (states[object - heap] == FREE) return 1;
  return count_lost(object->left) + count_lost(object->right);
}

static void sweep(void) {
  free_list = NULL;
  free_count = 0;
  for (size_t i = cell_count; i-- > 0;) {
    if (states[i] == OLD) continue;
    states[i] = FREE;
    heap[i].left = free_list;
    free_list = &heap[i];
    ++free_count;
  }
}

static void collect(int full) {
  gcb_dirty_set written;
  gcb_range run;
  if (full) {
    memset(states, YOUNG, cell_count); /* free cells too: nothing reaches them */
    ++full_count;
  } else {
    gcb_peek(tracker, &written);
    dirty_pages += gcb_dirty_bytes(&written) / gcb_page_size();
    for (size_t i = 0; !forget && gcb_run(&written, i, &run); ++i) mark_from_written(run);
    ++minor_count;
  }
  for (size_t i = 0; i < root_count; ++i) mark_from(roots[i]);
  sweep();
  gcb_arm(tracker); /* last: the sweeping above wrote to the heap as well */

  for (size_t i = 0; i < root_count; ++i) {
    if (count_lost(roots[i]) != 0) die("an object that is reachable was freed", NULL);
  }
}

/* Doubles the heap. */
static void grow(void) {
  gcb_error why = GCB_ERROR_INIT;
  const size_t before = cell_count;
  if (before == CELLS) die("out of memory", NULL);
  if (gcb_resize_arena(tracker, heap, 2 * before * sizeof(node), &why) != 0) die("cannot grow", &why);
  for (size_t i = 2 * before; i-- > before;) {
    heap[i].left = free_list;
    free_list = &heap[i];
  }
  free_count += before;
  cell_count = 2 * before;
}

/* ---- what a mutator calls; its stores are plain stores ---- */

static node* allocate(node* left, node* right) {
  if (free_list == NULL) {
    roots[root_count++] = left;
    roots[root_count++] = right;
    collect(0);
    if (free_count < cell_count / 4) collect(1);
    if (free_count < cell_count / 4) grow();
    root_count -= 2;
  }
  node* const object = free_list;
  free_list = object->left;
  --free_count;
  states[object - heap] = YOUNG;
  object->left = left;
  object->right = right;
  object->value = 1;
  return object;
}

static node* tree(int depth) {
  if (depth == 0) return allocate(NULL, NULL);
  node* const left = tree(depth - 1);
  roots[root_count++] = left;
  node* const right = tree(depth - 1);
  --root_count;
  return allocate(left, right);
}

int main(int argc, char** argv) {
  gcb_error why = GCB_ERROR_INIT;
  forget = argc == 2 && strcmp(argv[1], "--forget") == 0;
  if (argc > 1 && !forget) return fputs("usage: collector [--forget]\n", stderr), 2;

  heap = mmap(NULL, RESERVED, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  states = calloc(CELLS, 1);
  mark_stack = malloc(CELLS * sizeof *mark_stack);
  if (heap == MAP_FAILED || states == NULL || mark_stack == NULL) die("no memory", NULL);

  if (gcb_open(NULL, &tracker, &why) != 0) die("cannot open a tracker", &why);
  cell_count = ((size_t)1 << 20) / sizeof(node);
  if (gcb_add_arena(tracker, heap, cell_count * sizeof(node), &why) != 0) die("cannot track the heap", &why);
  sweep();
  gcb_arm(tracker);

  /* Long-lived trees, of which a random branch is replaced again and again by a young one. */
  enum { TREES = 64, STEPS = 200000 };
  while (root_count < TREES) {
    node* const grown = tree(9);
    roots[root_count++] = grown;
  }
  unsigned random = 1;
  for (int step = 0; step < STEPS; ++step) {
    random = random * 1103515245U + 12345U;
    node* at = roots[(random >> 16) % TREES];
    for (unsigned bits = random >> 8; (bits & 7) != 0; bits >>= 1) {
      node* const next = (bits & 8) != 0 ? at->left : at->right;
      if (next->left == NULL) break; /* a leaf stays one */
      at = next;
    }
    roots[root_count++] = at;
    node* const branch = tree(3);
    --root_count;
    if ((random & 0x10000) != 0) {
      at->left = branch;
    } else {
      at->right = branch;
    }
  }
  printf("%s: %zu minor and %zu full collections, %zu KiB of heap, %zu pages written per minor collection\n",
         gcb_mechanism_name(gcb_chosen(tracker)), minor_count, full_count, cell_count * sizeof(node) / 1024,
         minor_count == 0 ? 0 : dirty_pages / minor_count);
  gcb_close(tracker);
  return 0;
}
