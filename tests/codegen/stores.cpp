// Compiled on its own, by every compiler at hand, and never run: the test compares the machine code of these
// functions. The barrier comes last, so that the other arguments are in the same registers everywhere.
#include <cstddef>
#include <gcbarrier/barrier/card_table.hpp>
#include <gcbarrier/barrier/kernel_barrier.hpp>
#include <gcbarrier/mechanism/mprotect_segv.hpp>
#include <gcbarrier/mechanism/uffd_async.hpp>

namespace {

struct node {
  void* next;
  void* previous;
};

// What a mutator does, with a barrier at each pointer store.
template <class Barrier>
void store_by(void** slot, void* value, Barrier& barrier) {
  barrier.store(slot, value);
}
template <class Barrier>
void insert_by(node* at, node* fresh, Barrier& barrier) {
  auto* const after = static_cast<node*>(at->next);
  barrier.store(&fresh->next, after);
  barrier.store(&fresh->previous, at);
  barrier.store(&at->next, fresh);
  if (after != nullptr) barrier.store(&after->previous, fresh);
}
template <class Barrier>
void fill_by(void** slots, std::size_t count, void* value, Barrier& barrier) {
  for (std::size_t i = 0; i < count; ++i) barrier.store(slots + i, value);
}

}  // namespace

extern "C" {

// The same without any.
void plain_store(void** slot, void* value) {
  *slot = value;
}
void plain_insert(node* at, node* fresh) {
  auto* const after = static_cast<node*>(at->next);
  fresh->next = after;
  fresh->previous = at;
  at->next = fresh;
  if (after != nullptr) after->previous = fresh;
}
void plain_fill(void** slots, std::size_t count, void* value) {
  for (std::size_t i = 0; i < count; ++i) slots[i] = value;
}

#define GCBARRIER_STORES(name, barrier_type)                                         \
  void name##_store(void** slot, void* value, barrier_type& by) {                    \
    store_by(slot, value, by);                                                       \
  }                                                                                  \
  void name##_insert(node* at, node* fresh, barrier_type& by) {                      \
    insert_by(at, fresh, by);                                                        \
  }                                                                                  \
  void name##_fill(void** slots, std::size_t count, void* value, barrier_type& by) { \
    fill_by(slots, count, value, by);                                                \
  }
GCBARRIER_STORES(uffd_async, gcbarrier::kernel_barrier<gcbarrier::uffd_async>)
GCBARRIER_STORES(mprotect, gcbarrier::kernel_barrier<gcbarrier::mprotect_segv>)
GCBARRIER_STORES(card, gcbarrier::card_table)
}
