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
#include "object_map.hpp"
#include "old_space.hpp"
#include "young_space.hpp"

namespace gcheap {

class space {
 public:
  // The sizes are rounded up: the nursery to pages, the old space to arena_step. `apart`: with an arena, as
  // large again, for objects that are to lie apart: those of scattered types, at first. `survivor_bytes`: of
  // the nursery.
  static gcbarrier::result<std::unique_ptr<space>> open(std::size_t nursery_bytes, std::size_t old_bytes,
                                                        bool apart = false, std::size_t survivor_bytes = 0);
  ~space();
  space(const space&) = delete;
  space& operator=(const space&) = delete;

  [[nodiscard]] gcbarrier::address_range range() const { return {young.range().begin, memory_.arena.end}; }

  // Whether it awaits its sweep (lazy_sweep.hpp): what it points to may be gone, so it is not to be looked
  // into.
  [[nodiscard]] bool is_dead(const object* old_object) const {
    return map.chunk_of(old_object) >= first_unswept && !marks.test(old_object);
  }

 private:
  space(const heap_memory& memory, gcbarrier::address_range nursery, std::size_t survivor_bytes)
      : memory_(memory), young(nursery, survivor_bytes) {}

  heap_memory memory_;

 public:
  young_space young;
  object_map map;  // of the old objects
  // Of both. All clear between collections, but for a mark that goes on beside the mutator and its sweep.
  bitmap marks;
  std::size_t first_unswept = ~std::size_t{0};  // chunk of the map; that and the later ones hold dead objects
  std::unique_ptr<old_space> old;
};

}  // namespace gcheap

#endif
