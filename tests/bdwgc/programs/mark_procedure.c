/* mark_procedure ROUNDS: an object whose mark procedure marks from memory outside of the heap, as Guile's
 * threads do with their stacks. That memory is written, and the object never. */
#include "leaf.h"

#include <gc/gc_mark.h>
#include <sys/mman.h>

enum { slots = 20000 };

struct owner {
  uintptr_t disguised; /* where the outside memory is, inverted */
};

struct owner* owner; /* not static: the compiler would drop what is never read */
static uint64_t expected[slots];

/* The type is libgc's. NOLINTNEXTLINE(readability-non-const-parameter) */
static struct GC_ms_entry* mark_outside(GC_word* address, struct GC_ms_entry* top, struct GC_ms_entry* limit,
                                        GC_word environment) {
  (void)environment;
  const struct owner* object = (const struct owner*)address;
  if (object->disguised == 0) return top;
  void** outside = (void**)~object->disguised;
  for (int i = 0; i < slots; ++i) {
    if (outside[i] != NULL) top = GC_MARK_AND_PUSH(outside[i], top, limit, &outside[i]);
  }
  return top;
}

__attribute__((noinline)) static void fill(struct leaf** outside, uint64_t slot, uint64_t number) {
  outside[slot] = new_leaf(number);
  expected[slot] = number;
}

int main(int argc, char** argv) {
  const long rounds = argc > 1 ? atol(argv[1]) : 10;
  if (rounds < 1) return 2;
  GC_INIT();
  GC_set_free_space_divisor(16);
  const unsigned kind = GC_new_kind(GC_new_free_list(), GC_MAKE_PROC(GC_new_proc(&mark_outside), 0), 0, 1);
  struct leaf** outside =
      mmap(NULL, slots * sizeof *outside, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (outside == MAP_FAILED) return 3;
  owner = GC_generic_malloc(sizeof *owner, (int)kind);
  owner->disguised = ~(uintptr_t)outside;
  GC_end_stubborn_change(owner);
  for (uint64_t i = 0; i < slots; ++i) fill(outside, i, i + 1);
  GC_gcollect();

  uint64_t random = 88172645463325252u;
  uint64_t number = slots + 1;
  long lost = 0;
  for (long i = 0; i < rounds * slots; ++i) {
    fill(outside, next_random(&random) % slots, number++);
    new_leaf(i);
    const uint64_t checked = next_random(&random) % slots;
    if (!is_leaf(outside[checked], expected[checked])) {
      ++lost;
      fill(outside, checked, expected[checked]);
    }
    if (i % 1024 == 0) clear_stack_below();
  }
  return report(lost);
}
