// Memory to measure on: every page is there, and of the kind that was asked for.
#ifndef GCBENCH_MEASURE_ARENA_MEMORY_HPP
#define GCBENCH_MEASURE_ARENA_MEMORY_HPP

#include <sys/mman.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <gcbarrier/address_range.hpp>
#include <gcbarrier/kernel/system_calls.hpp>
#include <system_error>
#include <utility>

namespace gcbench {

enum class page_kind : std::uint8_t { small, huge };  // huge: where the kernel has them to give

class arena_memory {
 public:
  // Bytes: a multiple of 2 MiB. `beside`: so many bytes of addresses follow it that nobody touches. Throws
  // std::system_error where there is no such memory.
  arena_memory(std::size_t bytes, page_kind kind, std::size_t beside = 0) : bytes_(bytes), beside_(beside) {
    reserved_ = ::mmap(nullptr, bytes + beside + huge_page, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (reserved_ == MAP_FAILED) throw std::system_error(errno, std::generic_category(), "mmap");
    const auto start = reinterpret_cast<std::uintptr_t>(reserved_);
    data_ = static_cast<char*>(reserved_) + ((start + huge_page - 1) & ~(huge_page - 1)) - start;
    // A kernel without huge pages answers EINVAL, and is right about its pages all the same.
    (void)::madvise(data_, bytes, kind == page_kind::huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
    for (std::size_t i = 0; i < pages(); ++i) write(i);
  }
  arena_memory(const arena_memory&) = delete;
  arena_memory& operator=(const arena_memory&) = delete;
  ~arena_memory() { ::munmap(reserved_, bytes_ + beside_ + huge_page); }

  [[nodiscard]] gcbarrier::address_range range() const { return {data_, bytes_}; }
  // `count` pages from page `first` on.
  [[nodiscard]] gcbarrier::address_range range(std::size_t first, std::size_t count) const {
    return {data_ + first * page_size(), count * page_size()};
  }
  [[nodiscard]] gcbarrier::address_range beside() const { return {data_ + bytes_, beside_}; }
  [[nodiscard]] std::size_t pages() const { return bytes_ / page_size(); }
  void write(std::size_t page) const {
    std::atomic_ref(data_[page * page_size()]).store(1, std::memory_order_relaxed);
  }

  static std::size_t page_size() { return gcbarrier::kernel::page_size(); }

 private:
  static constexpr std::size_t huge_page = std::size_t{2} << 20;

  std::size_t bytes_;
  std::size_t beside_;
  void* reserved_ = nullptr;
  char* data_ = nullptr;
};

}  // namespace gcbench

#endif
