#include "space.hpp"

#include <cstdint>
#include <utility>

namespace gcheap {

gcbarrier::result<std::unique_ptr<space>> space::open(std::size_t nursery_bytes, std::size_t old_bytes,
                                                      bool apart, std::size_t survivor_bytes) {
  const auto memory = acquire_heap_memory(nursery_bytes, old_bytes, apart);
  if (!memory) return memory.error();
  const std::uintptr_t end = memory->prefix.end;
  constexpr std::size_t page = young_space::page;
  const std::size_t nursery = (nursery_bytes + page - 1) / page * page;
  std::unique_ptr<space> made(new space(*memory, {end - nursery, end}, survivor_bytes));
  auto map = object_map::make(made->range());
  if (!map) return map.error();
  made->map = std::move(*map);
  auto marks = bitmap::make(made->range());
  if (!marks) return marks.error();
  made->marks = std::move(*marks);
  auto old = old_space::open(*memory, made->map);
  if (!old) return old.error();
  made->old = std::move(*old);
  return made;
}

space::~space() {
  old.reset();
  release_heap_memory(memory_);
}

}  // namespace gcheap
