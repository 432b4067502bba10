// The sequential store buffer: every store of a young pointer into an old object appends the slot's address
// to a list, which a collection goes through instead of searching memory.
#ifndef GCBARRIER_BARRIER_STORE_BUFFER_HPP
#define GCBARRIER_BARRIER_STORE_BUFFER_HPP

#include <atomic>
#include <cerrno>
#include <string_view>

#include "../address_range.hpp"
#include "../error.hpp"
#include "../version.hpp"
#include "remembered_slots.hpp"
#include "slot.hpp"
#include "write_barrier.hpp"

GCBARRIER_NAMESPACE_BEGIN

// Filters like OCaml's caml_modify: slots that are young themselves, values that are not, and slots that held
// a young pointer before the store, since those are in the list already. So a slot is listed again only if it
// held something else in between. The buffer is of chunks, one at a time to a thread (slot_log.hpp).
class store_buffer : public remembered_slots {
 public:
  static constexpr std::string_view name = "store_buffer";

  // `heap` holds every slot that store() will ever see, `young` all young objects. Costs memory as far as it
  // is used: 8 bytes a listed slot. ENOMEM, or EINVAL for an empty heap.
  static result<store_buffer> open(address_range heap, address_range young) {
    if (heap.empty()) return error{"store_buffer::open", EINVAL, heap, "the heap must not be empty"};
    store_buffer made;
    if (const error why = made.reserve(heap, young)) return why;
    return made;
  }

  // Most slots are young; of the others, most values are old. Two threads may store to the same slot: the one
  // that saw no young pointer in it lists it, before the world stops.
  void store(void** slot, void* value) {
    void* const before = std::atomic_ref(*slot).load(std::memory_order_relaxed);
    set_slot(slot, value);
    if (is_young(slot) || !is_young(value) || is_young(before)) return;
    append(slot);
  }

 private:
  store_buffer() = default;
};
static_assert(slot_barrier<store_buffer>);

GCBARRIER_NAMESPACE_END

#endif
