/* roots ROUNDS: the only pointers to objects lie in static roots that begin and end inside of pages: in
 * memory given to GC_add_roots, and in the data of shared objects that have no part which is read-only after
 * relocation (the arguments after ROUNDS). */
#include "leaf.h"

#include <dlfcn.h>
#include <string.h>
#include <sys/mman.h>

enum { most = 8, page = 4096 };

struct root {
  struct leaf** cell;
  size_t cells;
  uint64_t* expected;
};

__attribute__((noinline)) static void fill(struct root* root, size_t index, uint64_t number) {
  root->cell[index] = new_leaf(number);
  root->expected[index] = number;
}

int main(int argc, char** argv) {
  static struct root root[most];
  const long rounds = argc > 1 ? atol(argv[1]) : 10;
  if (rounds < 1 || argc - 2 >= most) return 2;
  GC_INIT();
  GC_set_free_space_divisor(16);

  /* 4 words at the end of a page, a page, and 4 words of the next: libgc counts two pages of the three. */
  char* memory = mmap(NULL, 3 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return 3;
  root[0].cell = (struct leaf**)(memory + page - 4 * sizeof(void*));
  root[0].cells = page / sizeof(void*) + 8;
  GC_add_roots(root[0].cell, root[0].cell + root[0].cells);

  int count = 1;
  for (int i = 2; i < argc; ++i, ++count) {
    void* library = dlopen(argv[i], RTLD_NOW);
    size_t* cells = library == NULL ? NULL : dlsym(library, "cell_count");
    if (cells == NULL) {
      fprintf(stderr, "%s\n", dlerror());
      return 2;
    }
    root[count].cell = dlsym(library, "cells");
    root[count].cells = *cells;
  }
  uint64_t number = 1;
  for (int r = 0; r < count; ++r) {
    root[r].expected = malloc(root[r].cells * sizeof(uint64_t));
    for (size_t i = 0; i < root[r].cells; ++i) fill(&root[r], i, number++);
  }
  GC_gcollect();

  uint64_t random = 88172645463325252u;
  long lost = 0;
  for (long i = 0; i < rounds * 10000; ++i) {
    struct root* one = &root[next_random(&random) % (unsigned)count];
    fill(one, next_random(&random) % one->cells, number++);
    new_leaf(i);
    struct root* other = &root[next_random(&random) % (unsigned)count];
    const size_t checked = next_random(&random) % other->cells;
    if (!is_leaf(other->cell[checked], other->expected[checked])) {
      ++lost;
      fill(other, checked, other->expected[checked]);
    }
    if (i % 1024 == 0) clear_stack_below();
  }
  GC_remove_roots(root[0].cell, root[0].cell + root[0].cells);
  munmap(memory, 3 * page);
  GC_gcollect(); /* would crash if a part of the root were still one */
  return report(lost);
}
