// A kernel that keeps soft-dirty bits, for machines whose kernel does not.
#ifndef GCBARRIER_TESTS_SUPPORT_SOFT_DIRTY_KERNEL_HPP
#define GCBARRIER_TESTS_SUPPORT_SOFT_DIRTY_KERNEL_HPP

#include <sys/mman.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <gcbarrier/address_range.hpp>
#include <gcbarrier/kernel/system_calls.hpp>
#include <gcbarrier/kernel/uapi.hpp>
#include <limits>
#include <optional>
#include <set>

#include "faked_calls.hpp"

namespace support {

// Fakes /proc/self/pagemap and clear_refs. It cannot see stores: the test says what it wrote. Memory that it
// was not told about is soft-dirty for ever, as memory is that somebody goes on writing to.
class soft_dirty_kernel {
 public:
  [[nodiscard]] gcbarrier::kernel::system_calls calls() { return fake_.calls(); }

  // From now on the pages of this memory are clean after a clearing, until they are written.
  void models(gcbarrier::address_range memory) { modelled_ = memory; }
  void wrote(const void* address) { written_.insert(page_of(reinterpret_cast<std::uintptr_t>(address))); }

  [[nodiscard]] std::size_t open_files() const { return pagemaps_.size() + clear_refs_.size(); }
  // Their numbers, where each is open once.
  [[nodiscard]] int pagemap() const { return static_cast<int>(*pagemaps_.begin()); }
  [[nodiscard]] int clear_refs() const { return static_cast<int>(*clear_refs_.begin()); }
  [[nodiscard]] int clearings() const { return clearings_; }

  // What can go wrong; an error is a negative errno value.
  bool keeps_bits = true;  // CONFIG_MEM_SOFT_DIRTY
  std::size_t longest_read = std::numeric_limits<std::size_t>::max();
  std::optional<long> pagemap_opens;
  std::optional<long> clear_refs_opens;
  std::optional<long> reads;
  std::optional<long> writes;

 private:
  static std::uintptr_t page_of(std::uintptr_t address) { return address / gcbarrier::kernel::page_size(); }

  std::optional<long> answer(long number, faked_calls::argument_list a) {
    if (number == SYS_openat) return open(reinterpret_cast<const char*>(a[1]));
    if (number == SYS_close) {
      pagemaps_.erase(a[0]);
      clear_refs_.erase(a[0]);
    }
    if (number == SYS_pread64 && pagemaps_.contains(a[0])) return read(a);
    if (number == SYS_write && clear_refs_.contains(a[0])) return clear(a);
    return std::nullopt;
  }

  std::optional<long> open(const char* path) {
    const bool is_pagemap = std::strcmp(path, "/proc/self/pagemap") == 0;
    if (!is_pagemap && std::strcmp(path, "/proc/self/clear_refs") != 0) return std::nullopt;
    const std::optional<long> refused = is_pagemap ? pagemap_opens : clear_refs_opens;
    if (refused) return refused;
    // A file that is really there, so that it can be looked at.
    const long file = ::memfd_create("soft-dirty kernel", MFD_CLOEXEC);
    (is_pagemap ? pagemaps_ : clear_refs_).insert(file);
    return file;
  }

  long read(faked_calls::argument_list a) {
    if (reads) return *reads;
    const std::size_t bytes = std::min(static_cast<std::size_t>(a[2]), longest_read);
    auto* const entries = reinterpret_cast<std::uint64_t*>(a[1]);
    for (std::size_t i = 0; i < bytes / 8; ++i) {
      // Beside bit 55: present, some frame number, and the bit for exclusive use.
      const std::uint64_t other = (std::uint64_t{1} << 63) | (std::uint64_t{1} << 56) | 0x1234;
      const std::uintptr_t page = static_cast<std::uintptr_t>(a[3]) / 8 + i;
      entries[i] = other | (is_dirty(page) ? gcbarrier::kernel::uapi::pagemap_soft_dirty : 0);
    }
    return static_cast<long>(bytes);
  }
  [[nodiscard]] bool is_dirty(std::uintptr_t page) const {
    if (!keeps_bits) return false;
    const bool ours = modelled_.contains(page * gcbarrier::kernel::page_size());
    return clearings_ == 0 || !ours || written_.contains(page);
  }

  long clear(faked_calls::argument_list a) {
    if (writes) return *writes;
    if (a[2] < 1 || *reinterpret_cast<const char*>(a[1]) != '4') return -EINVAL;
    ++clearings_;
    written_.clear();
    return a[2];
  }

  gcbarrier::address_range modelled_;
  std::set<std::uintptr_t> written_;
  std::set<long> pagemaps_;  // numbers of open files
  std::set<long> clear_refs_;
  int clearings_ = 0;
  faked_calls fake_{[this](long number, faked_calls::argument_list a) { return answer(number, a); }};
};

}  // namespace support

#endif
