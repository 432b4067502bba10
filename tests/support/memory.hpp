// Memory of each kind that the library accepts, for tests to write to.
#ifndef GCBARRIER_TESTS_SUPPORT_MEMORY_HPP
#define GCBARRIER_TESTS_SUPPORT_MEMORY_HPP

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <gcbarrier/address_range.hpp>
#include <gcbarrier/kernel/system_calls.hpp>
#include <gcbarrier/kernel/uapi.hpp>
#include <ostream>
#include <string_view>
#include <vector>

namespace support {

inline constexpr std::size_t huge_page = std::size_t{2} << 20;

enum class memory_kind : std::uint8_t {
  small_pages,    // private anonymous, every page touched
  huge_pages,     // the same with MADV_HUGEPAGE: huge where it covers whole ones
  memfd_shared,   // every page touched
  memfd_private,  // every page touched, so every page is a copy
  untouched,      // private anonymous, never touched
};
inline constexpr memory_kind every_memory_kind[] = {memory_kind::small_pages, memory_kind::huge_pages,
                                                    memory_kind::memfd_shared, memory_kind::memfd_private,
                                                    memory_kind::untouched};

constexpr std::string_view name_of(memory_kind kind) {
  switch (kind) {
    case memory_kind::small_pages:
      return "small pages";
    case memory_kind::huge_pages:
      return "huge pages";
    case memory_kind::memfd_shared:
      return "shared memfd";
    case memory_kind::memfd_private:
      return "private memfd";
    case memory_kind::untouched:
      return "untouched memory";
  }
  return "?";
}

// Ordered page numbers within a memory; doctest prints them.
struct page_numbers : std::vector<std::size_t> {
  using vector::vector;
  [[nodiscard]] bool contains(std::size_t number) const { return std::find(begin(), end(), number) != end(); }
  friend std::ostream& operator<<(std::ostream& out, const page_numbers& numbers) {
    out << "pages {";
    for (std::size_t i = 0; i < numbers.size();) {
      std::size_t last = i;
      while (last + 1 < numbers.size() && numbers[last + 1] == numbers[last] + 1) ++last;
      out << ' ' << numbers[i];
      if (last > i) out << '-' << numbers[last];
      i = last + 1;
    }
    return out << " }";
  }
};

// first, first + 1, ..., first + count - 1.
inline page_numbers consecutive(std::size_t first, std::size_t count) {
  page_numbers numbers;
  for (std::size_t i = 0; i < count; ++i) numbers.push_back(first + i);
  return numbers;
}

// A mapping that begins at a multiple of 2 MiB, inside a reservation of its own: on both sides lies
// inaccessible memory, so it never merges with a stranger's mapping. It can grow up to `capacity` pages; what
// it grows by is untouched. Whatever a test maps over it is unmapped with it.
class memory {
 public:
  memory(memory_kind kind, std::size_t pages, std::size_t capacity = 0)
      : kind_(kind), capacity_(capacity > pages ? capacity : pages) {
    reserved_bytes_ = capacity_ * page_size() + 3 * huge_page;
    void* const reserved =
        ::mmap(nullptr, reserved_bytes_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    require(reserved != MAP_FAILED, "mmap");
    reserved_ = static_cast<char*>(reserved);
    const auto after_guard = reinterpret_cast<std::uintptr_t>(reserved) + huge_page;
    data_ = reinterpret_cast<char*>((after_guard + huge_page - 1) & ~(huge_page - 1));
    if (kind == memory_kind::memfd_shared || kind == memory_kind::memfd_private) {
      file_ = ::memfd_create("gcbarrier test", MFD_CLOEXEC);
      require(file_ >= 0, "memfd_create");
      require(::ftruncate(file_, static_cast<off_t>(capacity_ * page_size())) == 0, "ftruncate");
    }
    grow(pages);
    if (kind == memory_kind::huge_pages)
      require(::madvise(data_, bytes(), MADV_HUGEPAGE) == 0, "MADV_HUGEPAGE");
    if (kind != memory_kind::untouched) touch();
  }
  memory(const memory&) = delete;
  memory& operator=(const memory&) = delete;
  ~memory() {
    ::munmap(reserved_, reserved_bytes_);
    if (file_ >= 0) ::close(file_);
  }

  static std::size_t page_size() { return gcbarrier::kernel::page_size(); }

  [[nodiscard]] memory_kind kind() const { return kind_; }
  [[nodiscard]] char* data() const { return data_; }
  [[nodiscard]] std::size_t pages() const { return pages_; }
  [[nodiscard]] std::size_t bytes() const { return pages_ * page_size(); }
  [[nodiscard]] int file() const { return file_; }  // of a memfd; else -1
  [[nodiscard]] char* page(std::size_t index) const { return data_ + index * page_size(); }
  [[nodiscard]] gcbarrier::address_range range() const { return {data_, bytes()}; }
  // `count` pages from page `first` on; may lie beyond the end.
  [[nodiscard]] gcbarrier::address_range range(std::size_t first, std::size_t count) const {
    return {page(first), count * page_size()};
  }

  // One byte of the page; the store is really made.
  void write(std::size_t index, char value = 1, std::size_t offset = 0) const {
    *static_cast<volatile char*>(page(index) + offset) = value;
  }
  [[nodiscard]] char read(std::size_t index, std::size_t offset = 0) const {
    return *static_cast<volatile char*>(page(index) + offset);
  }
  void touch() const {
    for (std::size_t i = 0; i < pages_; ++i) write(i);
  }

  // Makes it `pages` long; never shorter than it is.
  void grow(std::size_t pages) {
    require(pages <= capacity_ && pages >= pages_, "memory::grow");
    void* const at = page(pages_);
    const std::size_t more = (pages - pages_) * page_size();
    if (more == 0) return;
    if (file_ < 0) {
      require(::mprotect(at, more, PROT_READ | PROT_WRITE) == 0, "mprotect");
    } else {
      const int sharing = kind_ == memory_kind::memfd_shared ? MAP_SHARED : MAP_PRIVATE;
      require(::mmap(at, more, PROT_READ | PROT_WRITE, sharing | MAP_FIXED, file_,
                     static_cast<off_t>(bytes())) == at,
              "mmap of a memfd");
    }
    pages_ = pages;
  }

  // The page numbers in runs that lie in this memory; what lies outside is left out.
  template <class Runs>
  [[nodiscard]] page_numbers pages_in(const Runs& runs) const {
    page_numbers numbers;
    for (const auto& run : runs) {
      const gcbarrier::address_range part = as_range(run).intersection(range());
      for (std::uintptr_t at = part.begin; at < part.end; at += page_size()) {
        numbers.push_back((at - range().begin) / page_size());
      }
    }
    return numbers;
  }

 private:
  static gcbarrier::address_range as_range(gcbarrier::address_range run) { return run; }
  static gcbarrier::address_range as_range(const gcbarrier::kernel::uapi::page_region& region) {
    return {region.start, region.end};
  }
  // Without memory no test can say anything.
  static void require(bool held, const char* what) {
    if (held) return;
    std::perror(what);
    std::abort();
  }

  memory_kind kind_;
  std::size_t capacity_;
  std::size_t reserved_bytes_ = 0;
  char* reserved_ = nullptr;
  char* data_ = nullptr;
  std::size_t pages_ = 0;
  int file_ = -1;
};

}  // namespace support

#endif
