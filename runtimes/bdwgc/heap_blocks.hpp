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

inline constexpr unsigned pointer_free_kind = 0;  // libgc's PTRFREE

struct heap_block {
  // A free run or a part of one, a block of small objects, or a large object's run.
  gcbarrier::address_range range;
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
    const bool known = libgc.is_heap_ptr(start) != 0;
    void* const object = known ? libgc.base(start) : nullptr;
    block.free = object == nullptr;
    if (!block.free) {
      block.kind = static_cast<unsigned>(libgc.get_kind_and_size(object, &block.object_bytes));
      if (block.object_bytes > block_size) {
        block.range = gcbarrier::address_range(object, block.object_bytes).widened_to(block_size);
      }
    } else if (known) {
      block.range.end = at + libgc.size(start);
    }
    visit(block);
    at = block.range.end;
  }
}

// Whether a block of small objects is worth opening to writes at the end of a collection, when libgc has
// queued all blocks with room to be swept and allocated from. An open page counts as dirty, so libgc marks
// from its objects again: free of cost where they have no pointers, and little where most of the block is
// room.
inline bool worth_opening(const libgc_functions& libgc, const heap_block& block) {
  if (block.free || block.object_bytes == 0 || block.object_bytes > block_size) return false;
  const std::size_t objects = block_size / block.object_bytes;
  const bool any_room_will_do = block.kind == pointer_free_kind;
  constexpr std::size_t looked_at = 4;
  for (std::size_t i = 0; i < looked_at; ++i) {
    const std::size_t index = (2 * i + 1) * objects / (2 * looked_at);
    const auto address = block.range.begin + index * block.object_bytes;
    const bool room = libgc.is_marked(reinterpret_cast<void*>(address)) == 0;
    if (room == any_room_will_do) return room;
  }
  return !any_room_will_do;
}

}  // namespace bdwgc

#endif
