// A kernel that keeps soft-dirty bits, and sees every store by itself: it compares what pages hold.
#ifndef GCBARRIER_TESTS_TRACKER_FAULTS_CONTENTS_KERNEL_HPP
#define GCBARRIER_TESTS_TRACKER_FAULTS_CONTENTS_KERNEL_HPP

#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <gcbarrier/address_range.hpp>
#include <gcbarrier/kernel/system_calls.hpp>
#include <gcbarrier/kernel/uapi.hpp>
#include <map>
#include <optional>
#include <set>
#include <support/faked_calls.hpp>
#include <vector>

// Fakes the contents of /proc/self/pagemap and clear_refs; the descriptors are real. A store that changes
// nothing is not seen. A page that it was not told of, or asked for, before a clearing stays dirty.
class contents_kernel {
 public:
  [[nodiscard]] gcbarrier::kernel::system_calls calls() { return fake_.calls(); }

  void models(gcbarrier::address_range memory) {
    for (std::uintptr_t at = memory.begin; at < memory.end; at += page_size()) pages_[at / page_size()];
  }

  // What a write to clear_refs does, by whomever.
  void clear() {
    for (auto& [page, copy] : pages_) copy = contents(page);
  }
  // The number is another file's from now on.
  void forget_file(long number) {
    pagemaps_.erase(number);
    clear_refs_.erase(number);
  }

 private:
  using bytes = std::vector<char>;
  static std::size_t page_size() { return gcbarrier::kernel::page_size(); }

  // Nothing: not mapped.
  static std::optional<bytes> contents(std::uintptr_t page) {
    bytes held(page_size());
    const iovec to{held.data(), held.size()};
    const iovec from{reinterpret_cast<void*>(page * page_size()), held.size()};
    if (::process_vm_readv(::getpid(), &to, 1, &from, 1, 0) < 0) return std::nullopt;
    return held;
  }

  std::optional<long> answer(long number, support::faked_calls::argument_list a) {
    switch (number) {
      case SYS_openat: {
        const char* const path = reinterpret_cast<const char*>(a[1]);
        const bool is_pagemap = std::strcmp(path, "/proc/self/pagemap") == 0;
        if (!is_pagemap && std::strcmp(path, "/proc/self/clear_refs") != 0) return std::nullopt;
        const int file = ::memfd_create(path, MFD_CLOEXEC);
        (is_pagemap ? pagemaps_ : clear_refs_).insert(file);
        return file;
      }
      case SYS_pread64:
        if (!pagemaps_.contains(a[0])) return std::nullopt;
        return read(reinterpret_cast<std::uint64_t*>(a[1]), static_cast<std::size_t>(a[2]),
                    static_cast<std::uintptr_t>(a[3]) / sizeof(std::uint64_t));
      case SYS_write:
        if (!clear_refs_.contains(a[0])) return std::nullopt;
        clear();
        return a[2];
      default:
        return std::nullopt;
    }
  }

  long read(std::uint64_t* entries, std::size_t length, std::uintptr_t page) {
    for (std::size_t i = 0; i < length / sizeof *entries; ++i) {
      const auto [found, fresh] = pages_.try_emplace(page + i);
      const bool dirty = !found->second || found->second != contents(page + i);
      entries[i] = dirty ? gcbarrier::kernel::uapi::pagemap_soft_dirty : 0;
    }
    return static_cast<long>(length);
  }

  std::map<std::uintptr_t, std::optional<bytes>> pages_;  // what they held when last cleared
  std::set<long> pagemaps_;
  std::set<long> clear_refs_;
  support::faked_calls fake_{
      [this](long number, support::faked_calls::argument_list a) { return answer(number, a); }};
};

#endif
