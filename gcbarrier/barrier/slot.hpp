// A pointer slot that another thread may read or write meanwhile.
#ifndef GCBARRIER_BARRIER_SLOT_HPP
#define GCBARRIER_BARRIER_SLOT_HPP

#include <atomic>

#include "../version.hpp"

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define GCBARRIER_SLOT_THREAD_SANITIZER
#endif
#endif

GCBARRIER_NAMESPACE_BEGIN

// On x86-64 both are the plain move. Release and acquire, so that who follows the pointer finds the object
// filled in.
inline void* load_slot(void** slot) {
  return std::atomic_ref(*slot).load(std::memory_order_acquire);
}
inline void set_slot(void** slot, void* value) {
#if defined(__x86_64__) && (defined(__SANITIZE_THREAD__) || defined(GCBARRIER_SLOT_THREAD_SANITIZER))
  // ThreadSanitizer stores with a lock of its own held, which the handler of a fault would wait for
  // (mprotect). So the fault comes before, in an instruction that it does not know of.
  asm volatile("lock orq $0, %0" : "+m"(*slot));
#endif
  std::atomic_ref(*slot).store(value, std::memory_order_release);
}

GCBARRIER_NAMESPACE_END

#endif
