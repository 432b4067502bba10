// Where objects go that survive: mimalloc in an exclusive arena, grown as objects come to lie in it.
#ifndef GCHEAP_OLD_SPACE_HPP
#define GCHEAP_OLD_SPACE_HPP

#include <mimalloc.h>

#include <gcbarrier/address_range.hpp>
#include <gcbarrier/error.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "arena_pool.hpp"
#include "mutated_types.hpp"
#include "object_map.hpp"
#include "type.hpp"

namespace gcheap {

// What an old space grows by: the unit in which mimalloc takes memory from a segment. It takes the lowest
// that is free, so in each segment memory is in use up to some address, and beyond that never was.
inline constexpr std::size_t growth_step = std::size_t{64} << 10;

// One thread only, the one that opened it: so is a mimalloc heap. Allocating and freeing write to headers
// inside the space, so both must be done before the barrier's rearm().
class old_space {
 public:
  // Called with memory in which objects are about to lie for the first time, in whole growth steps, and how
  // much of what follows may come to be used later; an error means that it cannot be used.
  using grow_function = std::function<gcbarrier::error(gcbarrier::address_range, std::size_t reserve)>;

  // `map` covers `arena` and outlives this.
  static gcbarrier::result<std::unique_ptr<old_space>> open(const heap_memory& memory, object_map& map);
  ~old_space();
  old_space(const old_space&) = delete;
  old_space& operator=(const old_space&) = delete;

  // From now on the objects of types that are seen to be mutated lie apart, and not those of scattered types.
  void keep_mutated_apart() { mutated_ = std::make_unique<mutated_types>(); }
  // Null: that is not so.
  [[nodiscard]] mutated_types* mutated() const { return mutated_.get(); }

  void on_growth(grow_function grow) { grow_ = std::move(grow); }
  // Called with memory that a sweep is about to write to, more than a quarter of whose pages hold dead
  // objects.
  void on_frees(std::function<void(gcbarrier::address_range)> announce) { announce_ = std::move(announce); }

  // Memory for one object, which the caller fills in before the next collection; null where there is no room
  // or the space could not grow, which growth_error() then tells.
  [[nodiscard]] object* allocate(const type& kind, std::size_t bytes) {
    return adopt(mi_heap_malloc(heap_for(kind), bytes), bytes);
  }
  [[nodiscard]] object* allocate_zeroed(const type& kind, std::size_t bytes) {
    return adopt(mi_heap_zalloc(heap_for(kind), bytes), bytes);
  }

  // Frees every object that is not marked, and clears the marks of old objects. Returns the bytes freed.
  std::size_t sweep(bitmap& live);
  // The same in one chunk of the object map.
  std::size_t sweep(bitmap& live, std::size_t chunk);

  [[nodiscard]] gcbarrier::address_range range() const { return memory_.arena; }
  // Where the objects lie that are to lie apart; empty unless the space was opened with an arena for them.
  [[nodiscard]] gcbarrier::address_range apart_range() const { return memory_.apart; }
  [[nodiscard]] std::size_t live_bytes() const {
    return live_bytes_;
  }  // objects, without the allocator's waste
  [[nodiscard]] std::size_t held_bytes() const { return held_bytes_; }
  [[nodiscard]] const gcbarrier::error& growth_error() const { return growth_error_; }

 private:
  old_space(const heap_memory& memory, object_map& map, mi_heap_t* heap, mi_heap_t* apart_heap)
      : memory_(memory),
        map_(map),
        heap_(heap),
        apart_heap_(apart_heap),
        held_(memory.arena.bytes() / arena_step) {
    for (std::size_t segment = 0; segment < held_.size(); ++segment) {
      held_[segment] = memory.arena.begin + segment * arena_step;
    }
  }

  [[nodiscard]] mi_heap_t* heap_for(const type& kind) {
    if (apart_heap_ == nullptr) return heap_;
    return (mutated_ ? mutated_->promoted(kind) : kind.scattered) ? apart_heap_ : heap_;
  }

  object* adopt(void* block, std::size_t bytes) {
    if (block == nullptr) return nullptr;
    const auto begin = reinterpret_cast<std::uintptr_t>(block);
    const std::uintptr_t end = begin + bytes;
    if (end > held_[segment_of(begin)] && !grow(begin, end)) {
      mi_free(block);
      return nullptr;
    }
    auto* const fresh = static_cast<object*>(block);
    map_.add(fresh);
    live_bytes_ += bytes;
    return fresh;
  }
  bool grow(std::uintptr_t begin, std::uintptr_t end);
  void announce_frees(const bitmap& live, std::size_t first, std::size_t last);

  [[nodiscard]] std::size_t segment_of(std::uintptr_t address) const {
    return (address - memory_.arena.begin) / arena_step;
  }

  heap_memory memory_;
  object_map& map_;
  mi_heap_t* heap_;
  mi_heap_t* apart_heap_;  // null where there is no arena for it
  std::unique_ptr<mutated_types> mutated_;
  grow_function grow_;
  std::function<void(gcbarrier::address_range)> announce_;
  std::vector<std::uintptr_t> held_;  // per segment: up to where the barrier knows it
  std::size_t held_bytes_ = 0;
  std::size_t live_bytes_ = 0;
  gcbarrier::error growth_error_;
};

}  // namespace gcheap

#endif
