// Compiled on its own and never run: docs/barriers.md shows the machine code of these functions, and a test
// compares.
#include <gcbarrier/barrier/card_table.hpp>
#include <gcbarrier/barrier/field_log.hpp>
#include <gcbarrier/barrier/hybrid_barrier.hpp>
#include <gcbarrier/barrier/kernel_barrier.hpp>
#include <gcbarrier/barrier/store_buffer.hpp>
#include <gcbarrier/mechanism/uffd_async.hpp>

extern "C" {

void barrier_uffd_async(gcbarrier::kernel_barrier<gcbarrier::uffd_async>* b, void** slot, void* value) {
  b->store(slot, value);
}
void barrier_hybrid(gcbarrier::hybrid_barrier<gcbarrier::kernel_barrier<gcbarrier::uffd_async>>* b,
                    void** slot, void* value) {
  b->store(slot, value);
}
void barrier_hybrid_scattered(gcbarrier::hybrid_barrier<gcbarrier::kernel_barrier<gcbarrier::uffd_async>>* b,
                              void** slot, void* value) {
  b->store_scattered(slot, value);
}
void barrier_card(gcbarrier::card_table* b, void** slot, void* value) {
  b->store(slot, value);
}
void barrier_card_conditional(gcbarrier::conditional_card_table* b, void** slot, void* value) {
  b->store(slot, value);
}
void barrier_store_buffer(gcbarrier::store_buffer* b, void** slot, void* value) {
  b->store(slot, value);
}
void barrier_field_log(gcbarrier::field_log* b, void** slot, void* value) {
  b->store(slot, value);
}
}
