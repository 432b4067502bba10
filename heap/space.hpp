// The memory of one heap and the maps of it: nursery and old space side by side, so that one card table
// covers both.
#ifndef GCHEAP_SPACE_HPP
#define GCHEAP_SPACE_HPP

#include <gcbarrier/address_range.hpp>
#include <gcbarrier/error.hpp>

#include <cstddef>
#include <memory>

#include "arena_pool.hpp"
#include "bitmap.hpp"
#include "nursery.hpp"
#include "object_map.hpp"
#include "old_space.hpp"

namespace gcheap {

class space {
 public:
  // The nursery is rounded up to pages, the old space to arena_step. `scattered`: with an arena, as large
  // again, for objects of scattered types.
  static gcbarrier::result<std::unique_ptr<space>> open(std::size_t nursery_bytes, std::size_t old_bytes,
                                                        bool scattered = false);
  ~space();
  space(const space&) = delete;
  space& operator=(const space&) = delete;

  [[nodiscard]] gcbarrier::address_range range() const { return {young.range().begin, memory_.arena.end}; }

 private:
  space(const heap_memory& memory, gcbarrier::address_range nursery_range)
      : memory_(memory), young(nursery_range) {}

  heap_memory memory_;

 public:
  nursery young;
  object_map map;  // of the old objects
  bitmap marks;    // of both; all clear between collections
  std::unique_ptr<old_space> old;
};

}  // namespace gcheap

#endif
