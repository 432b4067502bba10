/* A program that is linked with the adapter: what it prints is checked. */
#include <gcbarrier/bdwgc.h>

#include "leaf.h"

static struct leaf** old;

int main(void) {
  char line[256];
  const int refused = gcbarrier_bdwgc_init(GCBARRIER_BDWGC_AUTO);
  gcbarrier_bdwgc_describe(line, sizeof line);
  printf("%d %s\n", refused, line);
  GC_INIT();
  if (refused == 0) {
    GC_set_time_limit(15);
    GC_enable_incremental();
  }
  printf("late: %d\n", gcbarrier_bdwgc_init(GCBARRIER_BDWGC_AUTO));
  printf("protects: %d\n", GC_incremental_protection_needs());
  old = GC_MALLOC(1000 * sizeof *old);
  long lost = 0;
  for (uint64_t i = 0; i < 3000000; ++i) {
    old[i % 1000] = new_leaf(i);
    if (i >= 1000 && !is_leaf(old[(i + 1) % 1000], i - 999)) ++lost;
  }
  struct gcbarrier_bdwgc_statistics counted;
  gcbarrier_bdwgc_get_statistics(&counted);
  printf("tracked: %d\nproblems: %lu\n",
         counted.reads > 10 && counted.clears > 10 && counted.pages_tracked > 0 && counted.pages_dirty > 0,
         (unsigned long)counted.problems);
  return report(lost);
}
