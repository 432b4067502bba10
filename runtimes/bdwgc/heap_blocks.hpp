// libgc's heap as its blocks: what is free, and what holds objects of which kind.
#ifndef GCBARRIER_BDWGC_HEAP_BLOCKS_HPP
#define GCBARRIER_BDWGC_HEAP_BLOCKS_HPP

#include <cstddef>
#include <cstdint>

#include <gcbarrier/address_range.hpp>

#include "libgc_functions.hpp"

namespace bdwgc {

// libgc divides its heap into blocks that begin at multiples of this (HBLKSIZE, 4 KiB in every distribution)
// and holds small objects of one size and kind in a block, or one large object in a run of them. Each has a
// header that exported functions look up without taking the lock.
inline constexpr std::size_t block_size = 4096;

struct heap_block {
  gcbarrier::address_range range;  // a free run, a block of small objects, or a large object's run
  bool free = false;
  unsigned kind = 0;             // of its objects, unless it is free
  std::size_t object_bytes = 0;  // of each
};

// Calls visit(const heap_block&) for the blocks that begin in the range, or reach into it from before. Under
// libgc's allocation lock.
template <class Visitor>
void for_each_block(const libgc_functions& libgc, gcbarrier::address_range range, Visitor visit) {
  for (std::uintptr_t at = range.begin; at < range.end;) {
    void* const start = reinterpret_cast<void*>(at);
    heap_block block{{at, at + block_size}};
    if (libgc.is_heap_ptr(start) == 0) {  // the inside of a free run, or not heap at all
      at += block_size;
      continue;
    }
    void* const object = libgc.base(start);
    block.free = object == nullptr;
    if (block.free) {
      block.range.end = at + libgc.size(start);
    } else {
      block.kind = static_cast<unsigned>(libgc.get_kind_and_size(object, &block.object_bytes));
      if (block.object_bytes > block_size) {
        block.range = gcbarrier::address_range(object, block.object_bytes).widened_to(block_size);
      }
    }
    visit(block);
    at = block.range.end;
  }
}

// Whether a block of small objects is likely to be swept and allocated from before long: one of a few that
// are spread over it is not marked. At the end of a collection, when libgc has queued all blocks with room.
inline bool has_room(const libgc_functions& libgc, const heap_block& block) {
  if (block.free || block.object_bytes == 0 || block.object_bytes > block_size) return false;
  const std::size_t objects = block_size / block.object_bytes;
  constexpr std::size_t looked_at = 4;
  for (std::size_t i = 0; i < looked_at; ++i) {
    const std::size_t index = (2 * i + 1) * objects / (2 * looked_at);
    if (libgc.is_marked(reinterpret_cast<void*>(block.range.begin + index * block.object_bytes)) == 0) {
      return true;
    }
  }
  return false;
}

}  // namespace bdwgc

#endif
