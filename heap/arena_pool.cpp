#include "arena_pool.hpp"

#include <mimalloc.h>
#include <sys/mman.h>

#include <cerrno>
#include <mutex>
#include <utility>
#include <vector>

#include "reservation.hpp"

namespace gcheap {
namespace {

struct pool {
  std::mutex lock;
  std::vector<heap_memory> idle;
  std::vector<reservation> owned;  // never unmapped while the process lives: mimalloc keeps their addresses
};

// Not destroyed at exit, as mimalloc's own clean-up may come later.
pool& the_pool() {
  static auto* const instance = new pool;
  return *instance;
}

// Committed from the start: mimalloc then never gives part of it back to the kernel behind the collector's
// back, which would make clean pages written ones.
bool manage(gcbarrier::address_range arena, int& id) {
  return mi_manage_os_memory_ex(reinterpret_cast<void*>(arena.begin), arena.bytes(), /*is_committed=*/true,
                                /*is_large=*/false, /*is_zero=*/true, /*numa_node=*/-1, /*exclusive=*/true,
                                &id);
}

}  // namespace

gcbarrier::result<heap_memory> acquire_heap_memory(std::size_t prefix_bytes, std::size_t arena_bytes,
                                                   bool two) {
  const std::size_t limit = std::size_t{1} << 46;
  if (prefix_bytes == 0 || arena_bytes == 0 || prefix_bytes > limit || arena_bytes > limit) {
    return gcbarrier::error{"open a heap", EINVAL, {}, "sizes must be above zero and below 64 TiB"};
  }
  const std::size_t prefix = (prefix_bytes + arena_step - 1) / arena_step * arena_step;
  const std::size_t size = (arena_bytes + arena_step - 1) / arena_step * arena_step;

  const std::size_t total = two ? 2 * size : size;

  pool& pool = the_pool();
  const std::lock_guard hold(pool.lock);
  for (heap_memory& memory : pool.idle) {
    if (memory.prefix.bytes() != prefix || memory.arena.bytes() != total) continue;
    if (memory.apart.empty() == two) continue;
    const heap_memory found = memory;
    memory = pool.idle.back();
    pool.idle.pop_back();
    return found;
  }

  auto fresh = reservation::make(prefix + total, arena_step);
  if (!fresh) return fresh.error();
  const std::uintptr_t begin = fresh->range().begin;
  heap_memory memory;
  memory.prefix = {begin, begin + prefix};
  memory.arena = {begin + prefix, begin + prefix + total};
  const gcbarrier::address_range first{memory.arena.begin, memory.arena.begin + size};
  if (two) memory.apart = {first.end, memory.arena.end};
  if (!manage(first, memory.mimalloc_id) || (two && !manage(memory.apart, memory.apart_id))) {
    return gcbarrier::error{"mi_manage_os_memory_ex", ENOMEM, memory.arena,
                            "mimalloc takes 64 arenas in a process's life; use heaps of the same size"};
  }
  pool.owned.push_back(std::move(*fresh));
  return memory;
}

void release_heap_memory(const heap_memory& memory) {
  const gcbarrier::address_range whole{memory.prefix.begin, memory.arena.end};
  ::madvise(reinterpret_cast<void*>(whole.begin), whole.bytes(), MADV_DONTNEED);
  pool& pool = the_pool();
  const std::lock_guard hold(pool.lock);
  pool.idle.push_back(memory);
}

}  // namespace gcheap
