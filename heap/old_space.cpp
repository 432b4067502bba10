#include "old_space.hpp"

#include <algorithm>
#include <cerrno>
#include <gcbarrier/kernel/system_calls.hpp>

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

bool old_space::grow(std::uintptr_t begin, std::uintptr_t end) {
  for (std::size_t segment = segment_of(begin); segment <= segment_of(end - 1); ++segment) {
    const std::uintptr_t segment_end = memory_.arena.begin + (segment + 1) * arena_step;
    const std::uintptr_t upto = std::min(segment_end, (end + growth_step - 1) / growth_step * growth_step);
    if (upto <= held_[segment]) continue;
    if (grow_) {
      if (const gcbarrier::error why = grow_({held_[segment], upto}, segment_end - upto)) {
        growth_error_ = why;
        return false;
      }
    }
    held_bytes_ += upto - held_[segment];
    held_[segment] = upto;
  }
  return true;
}

std::size_t old_space::sweep(bitmap& live) {
  std::size_t freed = 0;
  constexpr std::size_t together = (std::size_t{1} << 20) / object_map::chunk_bytes;
  for (std::size_t first = 0; first < map_.chunk_count(); first += together) {
    const std::size_t last = std::min(first + together, map_.chunk_count());
    announce_frees(live, first, last);
    for (std::size_t chunk = first; chunk < last; ++chunk) freed += sweep(live, chunk);
  }
  return freed;
}

// To unprotect a page together with its neighbours, and to protect it again, costs a fifth of a fault.
void old_space::announce_frees(const bitmap& live, std::size_t first, std::size_t last) {
  if (!announce_) return;
  const std::size_t page = gcbarrier::kernel::page_size();
  const gcbarrier::address_range range = map_.range_of(first, last);
  std::size_t pages = 0;
  for (std::size_t chunk = first; chunk < last; ++chunk) pages += map_.pages_with_dead(live, chunk, page);
  if (pages * page > range.bytes() / 4) announce_(range);
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
