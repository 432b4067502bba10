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
  unsigned kind = 0;  // of its objects, unless it is free
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
      std::size_t bytes = 0;
      block.kind = static_cast<unsigned>(libgc.get_kind_and_size(object, &bytes));
      if (bytes > block_size) {
        block.range = gcbarrier::address_range(object, bytes).widened_to(block_size);
      }
    }
    visit(block);
    at = block.range.end;
  }
}

}  // namespace bdwgc

#endif
