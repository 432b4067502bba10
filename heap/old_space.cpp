#include "old_space.hpp"

#include <cerrno>

namespace gcheap {

gcbarrier::result<std::unique_ptr<old_space>> old_space::open(const heap_memory& memory, object_map& map) {
  mi_heap_t* const heap = mi_heap_new_in_arena(memory.mimalloc_id);
  if (heap == nullptr) return gcbarrier::error{"mi_heap_new_in_arena", ENOMEM, memory.arena, ""};
  mi_heap_t* apart = nullptr;
  if (!memory.apart.empty()) {
    apart = mi_heap_new_in_arena(memory.apart_id);
    if (apart == nullptr) {
      mi_heap_delete(heap);
      return gcbarrier::error{"mi_heap_new_in_arena", ENOMEM, memory.apart, ""};
    }
  }
  return std::unique_ptr<old_space>(new old_space(memory, map, heap, apart));
}

old_space::~old_space() {
  mi_heap_destroy(heap_);
  if (apart_heap_ != nullptr) mi_heap_destroy(apart_heap_);
}

bool old_space::grow(std::size_t first, std::size_t last) {
  for (std::size_t step = first; step <= last; ++step) {
    if (held_[step] != 0) continue;
    const std::uintptr_t begin = memory_.arena.begin + step * arena_step;
    if (grow_) {
      if (const gcbarrier::error why = grow_({begin, begin + arena_step})) {
        growth_error_ = why;
        return false;
      }
    }
    held_[step] = 1;
    ++held_steps_;
  }
  return true;
}

std::size_t old_space::sweep(bitmap& live) {
  std::size_t freed = 0;
  for (std::size_t chunk = 0; chunk < map_.chunk_count(); ++chunk) freed += sweep(live, chunk);
  return freed;
}

std::size_t old_space::sweep(bitmap& live, std::size_t chunk) {
  std::size_t freed = 0;
  map_.retain_only(live, chunk, [&](object* dead) {
    freed += bytes_of(dead);
    mi_free(dead);
  });
  live_bytes_ -= freed;
  return freed;
}

}  // namespace gcheap
