// Compiled on its own and never run: the test compares the machine code of these functions. The first two get
// their arguments in the same registers, so that a store with no barrier must give the same instructions.
#include <gcbarrier/barrier/card_table.hpp>
#include <gcbarrier/barrier/kernel_barrier.hpp>
#include <gcbarrier/mechanism/uffd_async.hpp>
#include <heap/barriers.hpp>
#include <heap/collector.hpp>

struct cell {
  gcheap::object header;
  gcheap::field<cell> next;
};
struct scattered_cell {
  gcheap::object header;
  gcheap::scattered_field<scattered_cell> next;
};

extern "C" {

void store_plain(void* /*heap*/, void** slot, void* value) {
  *slot = value;
}

void store_tracked(gcheap::collector<gcheap::uffd_async_barrier>* heap, gcheap::field<cell>* slot,
                   cell* value) {
  heap->store(*slot, value);
}

void store_mprotect(gcheap::collector<gcheap::mprotect_barrier>* heap, gcheap::field<cell>* slot,
                    cell* value) {
  heap->store(*slot, value);
}

void store_hybrid(gcheap::collector<gcheap::hybrid_barrier>* heap, gcheap::field<cell>* slot, cell* value) {
  heap->store(*slot, value);
}

void store_hybrid_scattered(gcheap::collector<gcheap::hybrid_barrier>* heap,
                            gcheap::scattered_field<scattered_cell>* slot, scattered_cell* value) {
  heap->store(*slot, value);
}

void store_card(gcheap::collector<gcbarrier::card_table>* heap, gcheap::field<cell>* slot, cell* value) {
  heap->store(*slot, value);
}
}
