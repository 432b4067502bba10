/* What the program `late` loads. */
#include "leaf.h"

static struct leaf** old;

int run(void) {
  GC_INIT();
  old = GC_MALLOC(1000 * sizeof *old);
  long lost = 0;
  for (uint64_t i = 0; i < 500000; ++i) {
    old[i % 1000] = new_leaf(i);
    if (i >= 1000 && !is_leaf(old[(i + 1) % 1000], i - 999)) ++lost;
  }
  printf("protects: %d\n", GC_incremental_protection_needs());
  return report(lost);
}
