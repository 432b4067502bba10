// A pointer slot that another thread may read or write meanwhile.
#ifndef GCHEAP_SLOT_HPP
#define GCHEAP_SLOT_HPP

#include <atomic>

namespace gcheap {

// On x86-64 both are the plain move. Release and acquire, so that who follows the pointer finds the object
// filled in.
inline void* load_slot(void** slot) {
  return std::atomic_ref(*slot).load(std::memory_order_acquire);
}
inline void set_slot(void** slot, void* value) {
  std::atomic_ref(*slot).store(value, std::memory_order_release);
}

}  // namespace gcheap

#endif
