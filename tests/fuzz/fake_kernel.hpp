// A kernel with asynchronous write-protect tracking, as far as the library uses it, over memory that is not
// there: 64 pages that can be written, unmapped and mapped anew. Calls can be made to fail, half done, and
// writes to race with them.
#ifndef GCBARRIER_TESTS_FUZZ_FAKE_KERNEL_HPP
#define GCBARRIER_TESTS_FUZZ_FAKE_KERNEL_HPP

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <functional>
#include <gcbarrier/address_range.hpp>
#include <gcbarrier/kernel/system_calls.hpp>
#include <gcbarrier/kernel/uapi.hpp>
#include <gcbarrier/kernel/userfaultfd.hpp>
#include <map>
#include <string>

#include "bytes.hpp"

namespace fuzz {

class fake_kernel {
 public:
  using system_calls = gcbarrier::kernel::system_calls;
  using address_range = gcbarrier::address_range;

  static constexpr std::uintptr_t page = 4096;
  static constexpr std::uintptr_t base = 0x7000'0000'0000;
  static constexpr std::size_t pages = 64;

  [[nodiscard]] system_calls calls() { return {&answer, this}; }
  static std::uintptr_t address(std::size_t index) { return base + index * page; }

  // ---- what the test does to it ----

  // A store by the program.
  void write(std::size_t index) { pages_[index].is_protected = false; }
  void map(std::size_t index, bool mapped) { pages_[index] = {.mapped = mapped}; }
  [[nodiscard]] bool mapped(std::size_t index) const { return pages_[index].mapped; }
  // The process is a forked child from here on.
  void fork() {
    if (sentinel_ != nullptr) std::memset(sentinel_, 0, sentinel_bytes_);
    for (page_state& one : pages_) one.is_registered = one.is_protected = false;
    for (auto& [number, file] : files_) file.of_parent = true;
  }
  // The program closes one of the library's descriptors; with `reuse` the number is another file's at once.
  void close_behind(std::size_t which, bool reuse) {
    if (files_.empty()) return;
    const auto found = std::next(files_.begin(), static_cast<std::ptrdiff_t>(which % files_.size()));
    const int number = found->first;
    if (found->second.kind == file_kind::other) {
      files_.erase(found);
    } else {
      close(number);
    }
    if (reuse) files_[number] = {file_kind::other, ++inodes_};
  }

  // The call after so many others fails with this errno, having done half of its work or none.
  void fail(std::size_t after, int code, bool half_done) {
    fail_in_ = after + 1;
    fail_code_ = code;
    half_done_ = half_done;
  }
  void fail_nothing() { fail_in_ = 0; }
  // Called before and after each scan: other threads write meanwhile.
  std::function<void()> meanwhile;

 private:
  enum class file_kind : std::uint8_t { userfaultfd, pagemap, maps, other };
  struct open_file {
    file_kind kind = file_kind::other;
    std::uint64_t inode = 0;
    bool of_parent = false;
  };
  struct page_state {
    bool mapped = true;
    bool is_registered = false;
    bool is_protected = false;
  };

  static long answer(void* context, long number, system_calls::argument_list a) {
    return static_cast<fake_kernel*>(context)->call(number, a);
  }

  long call(long number, system_calls::argument_list a) {
    switch (number) {
      case SYS_userfaultfd:
        return may_fail() ? -fail_code_ : open(file_kind::userfaultfd);
      case SYS_openat: {
        if (may_fail()) return -fail_code_;
        const std::string path = reinterpret_cast<const char*>(a[1]);
        if (path == "/proc/self/pagemap") return open(file_kind::pagemap);
        if (path == "/proc/self/maps") return open(file_kind::maps);
        return -ENOENT;
      }
      case SYS_close:
        return close(static_cast<int>(a[0]));
      case SYS_fstat:
        return fstat(static_cast<int>(a[0]), *reinterpret_cast<struct stat*>(a[1]));
      case SYS_pread64:
        return may_fail() ? -fail_code_ : read_maps(a);
      case SYS_msync:
        if (may_fail()) return -fail_code_;
        return all(a[0], a[1], [](const page_state& one) { return one.mapped; }) ? 0 : -ENOMEM;
      case SYS_madvise:
        sentinel_ = reinterpret_cast<void*>(a[0]);
        sentinel_bytes_ = static_cast<std::size_t>(a[1]);
        return system_calls::real(nullptr, number, a);
      case SYS_mmap:
        return may_fail() ? -fail_code_ : system_calls::real(nullptr, number, a);
      case SYS_ioctl:
        return ioctl(static_cast<int>(a[0]), static_cast<unsigned long>(a[1]), reinterpret_cast<void*>(a[2]));
      default:
        return system_calls::real(nullptr, number, a);
    }
  }

  bool may_fail() { return fail_in_ > 0 && --fail_in_ == 0; }

  int open(file_kind kind) {
    int number = 1000;
    while (files_.contains(number)) ++number;
    files_[number] = {kind, ++inodes_};
    return number;
  }
  int close(int number) {
    const auto found = files_.find(number);
    if (found == files_.end()) return -EBADF;
    check(found->second.kind != file_kind::other, "the library closes nobody else's file");
    // The tracking goes with the last copy of the descriptor.
    if (found->second.kind == file_kind::userfaultfd && !found->second.of_parent) {
      for (page_state& one : pages_) one.is_registered = one.is_protected = false;
    }
    files_.erase(found);
    return 0;
  }
  long fstat(int number, struct stat& answer) {
    const auto found = files_.find(number);
    if (found == files_.end()) return -EBADF;
    answer = {};
    answer.st_dev = 7;
    answer.st_ino = found->second.inode;
    return 0;
  }

  long read_maps(system_calls::argument_list a) {
    std::string text;
    char line[96];
    for (std::size_t i = 0; i < pages; ++i) {
      if (!pages_[i].mapped) continue;
      std::snprintf(line, sizeof line, "%zx-%zx rw-p 00000000 00:00 0 \n",
                    static_cast<std::size_t>(address(i)), static_cast<std::size_t>(address(i + 1)));
      text += line;
    }
    const auto offset = std::min(static_cast<std::size_t>(a[3]), text.size());
    const std::size_t length = std::min(static_cast<std::size_t>(a[2]), text.size() - offset);
    std::memcpy(reinterpret_cast<void*>(a[1]), text.data() + offset, length);
    return static_cast<long>(length);
  }

  static std::size_t index(std::uintptr_t at) {
    check(at >= base && at <= address(pages), "the library asks about its arenas only");
    return (at - base) / page;
  }
  template <class Begin, class F>
  bool all(Begin begin, Begin bytes, F holds) {
    const std::size_t first = index(static_cast<std::uintptr_t>(begin));
    const std::size_t last = index(static_cast<std::uintptr_t>(begin + bytes));
    return std::all_of(pages_.begin() + static_cast<std::ptrdiff_t>(first),
                       pages_.begin() + static_cast<std::ptrdiff_t>(last), holds);
  }
  template <class F>
  void each(const gcbarrier::kernel::uapi::uffdio_range& range, bool half, F change) {
    const std::size_t first = index(range.start);
    const std::size_t last = index(range.start + range.len);
    for (std::size_t i = first; i < (half ? (first + last) / 2 : last); ++i) {
      if (pages_[i].mapped) change(pages_[i]);
    }
  }

  long ioctl(int number, unsigned long request, void* argument) {
    namespace uapi = gcbarrier::kernel::uapi;
    const auto found = files_.find(number);
    if (found == files_.end()) return -EBADF;
    const open_file file = found->second;
    if (request == uapi::ioctl_pagemap_scan) {
      return file.kind == file_kind::pagemap ? scan(file, *static_cast<uapi::pm_scan_arg*>(argument))
                                             : -ENOTTY;
    }
    if (file.kind != file_kind::userfaultfd) return -ENOTTY;
    check(!file.of_parent, "a child leaves the parent's userfaultfd alone");
    const bool fails = may_fail();
    const bool half = fails && half_done_;
    if (fails && !half) return -fail_code_;
    long result = 0;
    switch (request) {
      case uapi::ioctl_api:
        static_cast<uapi::uffdio_api*>(argument)->features = gcbarrier::kernel::async_write_protect_features;
        break;
      case uapi::ioctl_register: {
        auto& asked = *static_cast<uapi::uffdio_register*>(argument);
        each(asked.range, half, [](page_state& one) { one.is_registered = true; });
        asked.ioctls = uapi::range_can_zeropage | uapi::range_can_writeprotect;
        break;
      }
      case uapi::ioctl_unregister:
        each(*static_cast<uapi::uffdio_range*>(argument), half,
             [](page_state& one) { one.is_registered = one.is_protected = false; });
        break;
      case uapi::ioctl_writeprotect: {
        const auto& asked = *static_cast<uapi::uffdio_writeprotect*>(argument);
        if (!all(asked.range.start, asked.range.len,
                 [](const page_state& one) { return one.is_registered; })) {
          result = -ENOENT;
        }
        each(asked.range, half, [&](page_state& one) {
          if (one.is_registered) one.is_protected = (asked.mode & uapi::writeprotect_mode_wp) != 0;
        });
        break;
      }
      default:
        result = -EINVAL;
    }
    return fails ? -fail_code_ : result;
  }

  long scan(const open_file& file, gcbarrier::kernel::uapi::pm_scan_arg& asked) {
    namespace uapi = gcbarrier::kernel::uapi;
    const bool protect = (asked.flags & uapi::scan_wp_matching) != 0;
    if (asked.start == asked.end) return 0;  // a look whether the descriptor knows the request
    check(!file.of_parent, "a child leaves the parent's pagemap alone");
    check(!protect || asked.vec_len > 0, "it never protects without room for an answer");
    check((asked.flags & uapi::scan_check_wpasync) != 0, "it always asks for registered memory only");
    if (meanwhile) meanwhile();
    const bool fails = may_fail();
    if (fails && !half_done_) return -fail_code_;
    auto* const regions = reinterpret_cast<uapi::page_region*>(asked.vec);
    std::size_t count = 0;
    const std::size_t last = index(asked.end);
    const std::size_t half = (index(asked.start) + last) / 2;
    long result = 0;
    std::size_t i = index(asked.start);
    for (; i < last; ++i) {
      page_state& one = pages_[i];
      if (!one.mapped) continue;
      if (!one.is_registered) {
        result = -EPERM;
        break;
      }
      if (fails && i >= half) break;
      if (one.is_protected) continue;
      if (count > 0 && regions[count - 1].end == address(i)) {
        regions[count - 1].end = address(i + 1);
      } else if (count == asked.vec_len) {
        break;
      } else {
        regions[count++] = {address(i), address(i + 1), uapi::page_is_written};
      }
      one.is_protected = protect;
    }
    // Stale, as the real one can be.
    asked.walk_end = count > 0 ? regions[count - 1].start : asked.start;
    if (meanwhile) meanwhile();
    if (fails) return -fail_code_;
    return result < 0 ? result : static_cast<long>(count);
  }

  std::array<page_state, pages> pages_{};
  std::map<int, open_file> files_;
  std::uint64_t inodes_ = 0;
  void* sentinel_ = nullptr;
  std::size_t sentinel_bytes_ = 0;
  std::size_t fail_in_ = 0;  // the fail_in_-th call from now on; 0: none
  int fail_code_ = 0;
  bool half_done_ = false;
};

}  // namespace fuzz

#endif
