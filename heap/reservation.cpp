#include "reservation.hpp"

#include <sys/mman.h>

#include <cerrno>
#include <utility>

namespace gcheap {

gcbarrier::result<reservation> reservation::make(std::size_t bytes, std::size_t alignment) {
  const char* const advice = "ask for a smaller heap, or raise the limit on address space (ulimit -v)";
  const std::size_t padded = bytes + alignment;
  if (bytes == 0 || padded < bytes) return gcbarrier::error{"reserve a heap", EINVAL, {}, advice};
  void* const base =
      ::mmap(nullptr, padded, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (base == MAP_FAILED) return gcbarrier::error{"mmap", errno, {}, advice};
  const gcbarrier::address_range all(base, padded);
  reservation made;
  made.range_.begin = (all.begin + alignment - 1) & ~(alignment - 1);
  made.range_.end = made.range_.begin + bytes;
  if (made.range_.begin != all.begin) ::munmap(base, made.range_.begin - all.begin);
  if (made.range_.end != all.end)
    ::munmap(reinterpret_cast<void*>(made.range_.end), all.end - made.range_.end);
  return made;
}

reservation::reservation(reservation&& other) noexcept : range_(std::exchange(other.range_, {})) {}

reservation& reservation::operator=(reservation&& other) noexcept {
  std::swap(range_, other.range_);
  return *this;
}

reservation::~reservation() {
  if (!range_.empty()) ::munmap(data(), range_.bytes());
}

void reservation::discard() {
  ::madvise(data(), range_.bytes(), MADV_DONTNEED);
}

}  // namespace gcheap
