// A second mapping of a shared memfd: what is written through it, the page tables of the first do not see.
#ifndef GCBARRIER_TESTS_SUPPORT_ALIAS_HPP
#define GCBARRIER_TESTS_SUPPORT_ALIAS_HPP

#include <sys/mman.h>

#include <cstddef>
#include <cstdio>
#include <cstdlib>

#include "memory.hpp"

namespace support {

class alias {
 public:
  explicit alias(const memory& of)
      : bytes_(of.bytes()), data_(::mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_SHARED, of.file(), 0)) {
    if (data_ != MAP_FAILED) return;
    std::perror("mmap of an alias");
    std::abort();
  }
  alias(const alias&) = delete;
  alias& operator=(const alias&) = delete;
  ~alias() { ::munmap(data_, bytes_); }

  void write(std::size_t page, char value, std::size_t offset = 0) const {
    static_cast<volatile char*>(data_)[page * memory::page_size() + offset] = value;
  }

 private:
  std::size_t bytes_;
  void* data_;
};

}  // namespace support

#endif
