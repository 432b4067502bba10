// A kernel in which one chosen system call goes wrong, in each way in which it can.
#ifndef GCBARRIER_TESTS_SUPPORT_FAULTY_CALLS_HPP
#define GCBARRIER_TESTS_SUPPORT_FAULTY_CALLS_HPP

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <gcbarrier/kernel/system_calls.hpp>
#include <gcbarrier/kernel/uapi.hpp>
#include <string>
#include <utility>

namespace support {

// What a call was, without its addresses: the same in every run of the same program.
struct call_name {
  long number = 0;
  unsigned long request = 0;  // of an ioctl

  [[nodiscard]] std::string text() const {
    namespace uapi = gcbarrier::kernel::uapi;
    if (number == SYS_ioctl) {
      switch (request) {
        case uapi::ioctl_api:
          return "UFFDIO_API";
        case uapi::ioctl_register:
          return "UFFDIO_REGISTER";
        case uapi::ioctl_unregister:
          return "UFFDIO_UNREGISTER";
        case uapi::ioctl_writeprotect:
          return "UFFDIO_WRITEPROTECT";
        case uapi::ioctl_pagemap_scan:
          return "PAGEMAP_SCAN";
        default:
          return "ioctl " + std::to_string(request);
      }
    }
    return "system call " + std::to_string(number);
  }
};

// One way for a call to go wrong.
struct fault {
  enum how : std::uint8_t {
    refused,     // an error, and nothing was done
    half_done,   // an error, after the first half of the range was done
    done,        // an error, after all of it was done
    cut_short,   // a read or write of fewer bytes, which it is free to return
    stale_end,   // PAGEMAP_SCAN: walk_end is where it started
    misaligned,  // PAGEMAP_SCAN: from here on, answers that no kernel should give
    unordered,
    outside,
    empty_region,
    too_many,
  };
  how what = refused;
  int code = 0;

  [[nodiscard]] std::string text() const {
    constexpr const char* names[] = {"refused",
                                     "half done",
                                     "done",
                                     "cut short",
                                     "stale walk_end",
                                     "misaligned",
                                     "regions out of order",
                                     "out of range",
                                     "empty region",
                                     "too many regions"};
    return std::string(names[what]) + (code != 0 ? std::string(" with ") + std::strerror(code) : "");
  }
};

// In place, since it is also made in signal handlers.
class fault_list {
 public:
  void push_back(fault one) { all_.at(size_++) = one; }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] const fault& operator[](std::size_t index) const { return all_[index]; }
  [[nodiscard]] const fault* begin() const { return all_.data(); }
  [[nodiscard]] const fault* end() const { return all_.data() + size_; }

 private:
  std::array<fault, 32> all_;
  std::size_t size_ = 0;
};

// What the kernel documents or its source shows, and the nonsense that the library must not believe.
inline fault_list faults_of(call_name call) {
  namespace uapi = gcbarrier::kernel::uapi;
  fault_list all;
  const auto refused = [&all](std::initializer_list<int> codes) {
    for (const int code : codes) all.push_back({fault::refused, code});
  };
  const auto half_done = [&all](std::initializer_list<int> codes) {
    for (const int code : codes) {
      all.push_back({fault::half_done, code});
      all.push_back({fault::done, code});
    }
  };
  switch (call.number) {
    case SYS_ioctl:
      switch (call.request) {
        case uapi::ioctl_api:
          refused({EINVAL, EPERM, EFAULT, EBADF});
          break;
        case uapi::ioctl_register:
          refused({EBUSY, EINVAL, ENOMEM, EPERM, EBADF, ENOTTY, EINTR});
          half_done({ENOMEM, EINVAL});
          break;
        case uapi::ioctl_unregister:
          refused({EINVAL, ENOMEM, EBADF, ENOTTY, EINTR});
          half_done({ENOMEM, EINVAL});
          break;
        case uapi::ioctl_writeprotect:
          refused({EAGAIN, EINTR, ENOENT, EFAULT, EINVAL, EBADF, ENOTTY, ENOMEM});
          half_done({EAGAIN, ENOENT, EFAULT, ENOMEM});
          break;
        case uapi::ioctl_pagemap_scan:
          refused({EPERM, EFAULT, EINTR, EAGAIN, ENOMEM, EINVAL, EBADF, ENOTTY});
          half_done({EPERM, EFAULT, EINTR, ENOMEM});
          for (const auto what : {fault::stale_end, fault::misaligned, fault::unordered, fault::outside,
                                  fault::empty_region, fault::too_many}) {
            all.push_back({what, 0});
          }
          break;
        default:
          refused({EINVAL, ENOTTY});
      }
      break;
    case SYS_mprotect:
      refused({ENOMEM, EACCES, EAGAIN, EINVAL});
      half_done({ENOMEM, EACCES});
      break;
    case SYS_userfaultfd:
      refused({EPERM, ENOSYS, EMFILE, ENFILE, ENOMEM, EINVAL});
      break;
    case SYS_openat:
      refused({EMFILE, ENFILE, ENOENT, EACCES, ENOMEM, EINTR});
      break;
    case SYS_read:
    case SYS_pread64:
    case SYS_write:
      refused({EINTR, EIO, EBADF, EFAULT, EAGAIN, ENOMEM});
      half_done({EIO});
      all.push_back({fault::cut_short, 0});
      break;
    case SYS_close:
      all.push_back({fault::done, EINTR});
      all.push_back({fault::done, EIO});
      break;
    case SYS_munmap:
      all.push_back({fault::done, ENOMEM});
      break;
    case SYS_mmap:
      refused({ENOMEM, EPERM});
      break;
    case SYS_msync:
      refused({ENOMEM, EINVAL, EBUSY, EINTR});
      break;
    case SYS_fstat:  // EBADF is no lie that a kernel tells about an open descriptor
      refused({ENOSYS, EPERM, ENOMEM});
      break;
    case SYS_madvise:
      refused({EINVAL, ENOMEM, EAGAIN, EPERM});
      break;
    default:
      refused({ENOSYS, EPERM, EBADF, ENOMEM});
  }
  return all;
}

// Counts the calls, and hands each to `kernel` unless `choose` names a fault for it. Stays where it is while
// a copy of calls() lives. The choice is also made in signal handlers, so it must not allocate.
class faulty_calls {
 public:
  using argument_list = gcbarrier::kernel::system_calls::argument_list;
  // Null: the call goes well.
  using choice = std::function<const fault*(std::size_t position, call_name call)>;

  explicit faulty_calls(choice choose, gcbarrier::kernel::system_calls kernel = {})
      : choose_(std::move(choose)), kernel_(kernel) {}
  faulty_calls(const faulty_calls&) = delete;
  faulty_calls& operator=(const faulty_calls&) = delete;
  ~faulty_calls() = default;

  [[nodiscard]] gcbarrier::kernel::system_calls calls() { return {&handle, this}; }
  [[nodiscard]] std::size_t made() const { return made_; }

 private:
  static long handle(void* context, long number, argument_list a) {
    auto& self = *static_cast<faulty_calls*>(context);
    const call_name call{number, number == SYS_ioctl ? static_cast<unsigned long>(a[1]) : 0};
    const fault* const chosen = self.choose_(self.made_++, call);
    if (chosen == nullptr) return self.forward(number, a);
    if (call.request == gcbarrier::kernel::uapi::ioctl_pagemap_scan) return self.scan(*chosen, a);
    return self.fail(*chosen, call, a);
  }

  [[nodiscard]] long forward(long number, argument_list a) const {
    return kernel_.call(number, a[0], a[1], a[2], a[3], a[4], a[5]);
  }

  // The first half, in whole pages.
  static std::uint64_t half(std::uint64_t bytes) { return bytes / 2 & ~std::uint64_t{4095}; }

  [[nodiscard]] long fail(const fault& chosen, call_name call, argument_list a) const {
    namespace uapi = gcbarrier::kernel::uapi;
    if (chosen.what == fault::done) (void)forward(call.number, a);
    if (chosen.what == fault::half_done) {
      if (call.number == SYS_mprotect) {
        (void)kernel_.call(SYS_mprotect, a[0], half(static_cast<std::uint64_t>(a[1])), a[2]);
      } else if (call.number == SYS_ioctl) {
        // Each of these begins with a uffdio_range.
        auto& range = *reinterpret_cast<uapi::uffdio_range*>(a[2]);
        const std::uint64_t whole = range.len;
        range.len = half(whole);
        if (range.len != 0) (void)forward(call.number, a);
        range.len = whole;
      }
    }
    if (chosen.what == fault::cut_short) {
      // Whole page-table entries where it is pagemap that is read, so that it is a legal answer.
      const long fewer = a[2] >= 16 ? a[2] / 16 * 8 : a[2] - 1;
      return kernel_.call(call.number, a[0], a[1], fewer, a[3]);
    }
    return -chosen.code;
  }

  [[nodiscard]] long scan(const fault& chosen, argument_list a) const {
    namespace uapi = gcbarrier::kernel::uapi;
    auto& argument = *reinterpret_cast<uapi::pm_scan_arg*>(a[2]);
    auto* const regions = reinterpret_cast<uapi::page_region*>(argument.vec);
    if (chosen.what == fault::refused) return -chosen.code;
    if (chosen.what == fault::half_done) {
      const uapi::pm_scan_arg whole = argument;
      argument.end = whole.start + half(whole.end - whole.start);
      (void)forward(SYS_ioctl, a);
      argument = whole;
      return -chosen.code;
    }
    const long count = forward(SYS_ioctl, a);
    if (chosen.what == fault::done) return -chosen.code;
    if (count < 0) return count;
    switch (chosen.what) {
      case fault::stale_end:
        argument.walk_end = argument.start;
        return count;
      case fault::too_many:
        return static_cast<long>(argument.vec_len) + 1;
      default:
        break;
    }
    if (count == 0) return count;  // nothing to spoil
    uapi::page_region& last = regions[count - 1];
    switch (chosen.what) {
      case fault::misaligned:
        last.start += 100;
        break;
      case fault::empty_region:
        last.end = last.start;
        break;
      case fault::outside:
        last.end = argument.end + 4096;
        break;
      case fault::unordered:
        if (count == 1) {
          last.start = argument.start - 4096;
        } else {
          std::swap(regions[0], last);
        }
        break;
      default:
        break;
    }
    return count;
  }

  choice choose_;
  gcbarrier::kernel::system_calls kernel_;
  std::size_t made_ = 0;
};

}  // namespace support

#endif
