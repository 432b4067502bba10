// Memory that mimalloc serves one old space from, and nothing else.
#ifndef GCHEAP_ARENA_POOL_HPP
#define GCHEAP_ARENA_POOL_HPP

#include <gcbarrier/address_range.hpp>
#include <gcbarrier/error.hpp>

#include <cstddef>
#include <memory>

namespace gcheap {

// The unit in which mimalloc 2 takes memory from an arena (its segment), and to which an arena must be
// aligned.
inline constexpr std::size_t arena_step = std::size_t{32} << 20;

// A contiguous reservation: a prefix for the nursery, then an exclusive mimalloc arena, then perhaps another
// one.
struct heap_memory {
  gcbarrier::address_range prefix;  // ends where the arena begins
  gcbarrier::address_range arena;   // both, whole steps
  gcbarrier::address_range apart;   // the second, at the end of `arena`; empty where there is none
  int mimalloc_id = 0;
  int apart_id = 0;
};

// mimalloc never forgets an arena and takes 64 at most, so those of closed heaps are kept for new ones of the
// same layout. Thread-safe. The sizes are rounded up to whole steps. `two`: a second arena, as large as the
// first.
gcbarrier::result<heap_memory> acquire_heap_memory(std::size_t prefix_bytes, std::size_t arena_bytes,
                                                   bool two);

// Nothing may be allocated in it any more.
void release_heap_memory(const heap_memory& memory);

}  // namespace gcheap

#endif
