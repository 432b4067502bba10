// PAGEMAP_SCAN as a program would call it that has nothing else: what the library's calls are compared with.
#ifndef GCBENCH_MEASURE_BARE_SCAN_HPP
#define GCBENCH_MEASURE_BARE_SCAN_HPP

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <gcbarrier/address_range.hpp>
#include <gcbarrier/kernel/uapi.hpp>
#include <vector>

#include "arena_memory.hpp"

namespace gcbench {

// The best that a program can do by itself: one vector, allocated before and large enough for any answer, so
// that one system call is always enough. It checks for nothing.
class bare_scan {
 public:
  explicit bare_scan(gcbarrier::address_range range)
      : pagemap_(::open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC)),
        regions_(range.bytes() / arena_memory::page_size() / 2 + 2) {
    argument_.size = sizeof argument_;
    argument_.start = range.begin;
    argument_.end = range.end;
    argument_.vec = reinterpret_cast<std::uintptr_t>(regions_.data());
    argument_.vec_len = regions_.size();
    argument_.category_mask = argument_.return_mask = gcbarrier::kernel::uapi::page_is_written;
  }
  bare_scan(const bare_scan&) = delete;
  bare_scan& operator=(const bare_scan&) = delete;
  ~bare_scan() { ::close(pagemap_); }

  // How many runs were written, or a negative number.
  int read() { return scan(0); }
  int read_and_protect() { return scan(gcbarrier::kernel::uapi::scan_wp_matching); }

 private:
  int scan(std::uint64_t flags) {
    argument_.flags = flags | gcbarrier::kernel::uapi::scan_check_wpasync;
    return ::ioctl(pagemap_, gcbarrier::kernel::uapi::ioctl_pagemap_scan, &argument_);
  }

  int pagemap_;
  std::vector<gcbarrier::kernel::uapi::page_region> regions_;
  gcbarrier::kernel::uapi::pm_scan_arg argument_{};
};

}  // namespace gcbench

#endif
