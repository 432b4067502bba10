// userfaultfd in asynchronous write-protect mode: open, negotiate, register, protect, un-protect.
// Source: Documentation/admin-guide/mm/userfaultfd.rst, man 2 userfaultfd, man 2 ioctl_userfaultfd.
#ifndef GCBARRIER_KERNEL_USERFAULTFD_HPP
#define GCBARRIER_KERNEL_USERFAULTFD_HPP

#include <cerrno>
#include <cstdint>

#include "../address_range.hpp"
#include "../error.hpp"
#include "../version.hpp"
#include "descriptor.hpp"
#include "system_calls.hpp"
#include "uapi.hpp"

GCBARRIER_NAMESPACE_BEGIN

namespace kernel {

// What asynchronous tracking needs: faults resolved in the kernel, holes that can be protected before they
// are populated, and shared memory.
inline constexpr std::uint64_t async_write_protect_features =
    uapi::feature_wp_async | uapi::feature_wp_unpopulated | uapi::feature_wp_hugetlbfs_shmem;

// A user-mode-only descriptor: by the system call, else by /dev/userfaultfd, which goes by its file's
// permissions where a sandbox refuses the call. Errors are those of the system call, unless the device was
// there and refused as well.
inline result<descriptor> open_userfaultfd(system_calls calls) {
  const long number = calls.call(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | uapi::user_mode_only);
  if (number >= 0) return descriptor(calls, static_cast<int>(number));
  const int refused = static_cast<int>(-number);
  const long device_number = calls.open("/dev/userfaultfd", O_RDWR);
  if (device_number >= 0) {
    const descriptor device(calls, static_cast<int>(device_number));
    const long made = calls.call(SYS_ioctl, device.number(), uapi::ioctl_userfaultfd_new,
                                 O_CLOEXEC | O_NONBLOCK | uapi::user_mode_only);
    if (made >= 0) return descriptor(calls, static_cast<int>(made));
    return error{"USERFAULTFD_IOC_NEW",
                 static_cast<int>(-made),
                 {},
                 "/dev/userfaultfd refused as the system call did"};
  }
  const char* advice = "";
  if (refused == EPERM) {
    advice = "a seccomp profile refuses userfaultfd: allow the call, or pass /dev/userfaultfd in";
  } else if (refused == ENOSYS) {
    advice = "this kernel has no userfaultfd (CONFIG_USERFAULTFD), or a sandbox such as gVisor hides it";
  } else if (refused == EMFILE || refused == ENFILE) {
    advice = "no file descriptor is free: raise RLIMIT_NOFILE";
  }
  return error{"userfaultfd", refused, {}, advice};
}

// Asks for `features`. Works once per descriptor. ENOTSUP, with that advice, where the kernel is too old,
// told by the feature bits that it grants: a kernel that does not know a bit may either refuse or leave it
// out.
inline error negotiate(system_calls calls, int userfaultfd, std::uint64_t features, const char* too_old) {
  uapi::uffdio_api api{uapi::api_version, features, 0};
  const long answer = calls.ioctl(userfaultfd, uapi::ioctl_api, &api);
  if (answer == -EINVAL) return {"UFFDIO_API", ENOTSUP, {}, too_old};
  if (answer < 0) return {"UFFDIO_API", static_cast<int>(-answer), {}, ""};
  if ((api.features & features) != features) return {"UFFDIO_API", ENOTSUP, {}, too_old};
  return {};
}
inline error negotiate_async(system_calls calls, int userfaultfd) {
  return negotiate(calls, userfaultfd, async_write_protect_features,
                   "asynchronous write-protect needs Linux 6.7 on x86-64, 6.10 on arm64");
}

inline error unregister_range(system_calls calls, int userfaultfd, address_range range) {
  uapi::uffdio_range argument{range.begin, range.bytes()};
  const long answer = calls.ioctl(userfaultfd, uapi::ioctl_unregister, &argument);
  return answer < 0 ? error{"UFFDIO_UNREGISTER", static_cast<int>(-answer), range, ""} : error{};
}

// Puts the range under write-protect tracking; until it is protected every page reads as written. Registering
// what is registered already is fine. Leaves nothing registered on failure. Errors: EBUSY another userfaultfd
// has it; EINVAL nothing mapped there, or misaligned; EPERM a mapping that may never be written; ENOTSUP
// hugetlb, or no write-protect for this kind of memory; EBADF, ENOTTY the descriptor was closed.
inline error register_range(system_calls calls, int userfaultfd, address_range range) {
  uapi::uffdio_register argument{{range.begin, range.bytes()}, uapi::register_mode_wp, 0};
  const long answer = calls.ioctl(userfaultfd, uapi::ioctl_register, &argument);
  if (answer < 0) {
    const char* advice = answer == -EBUSY ? "another userfaultfd already watches this memory" : "";
    return {"UFFDIO_REGISTER", static_cast<int>(-answer), range, advice};
  }
  // Holes in write-protected hugetlb memory hang some kernels beyond killing. What tells hugetlb is that it
  // cannot be filled with the zero page.
  const bool hugetlb = (argument.ioctls & uapi::range_can_zeropage) == 0;
  if (!hugetlb && (argument.ioctls & uapi::range_can_writeprotect) != 0) return {};
  (void)unregister_range(calls, userfaultfd, range);
  return {"UFFDIO_REGISTER", ENOTSUP, range,
          hugetlb ? "hugetlb memory cannot be tracked safely: use ordinary pages, with "
                    "madvise(MADV_HUGEPAGE) if wanted"
                  : "this kind of memory has no write-protect mode"};
}

// Protects or un-protects every page of the range, written or not. After an error part of it may be done.
// EAGAIN means that the address space was changing under it; it is tried again a few times.
inline error write_protect(system_calls calls, int userfaultfd, address_range range, bool protect) {
  long answer = 0;
  for (int attempt = 0; attempt < 8; ++attempt) {
    uapi::uffdio_writeprotect argument{{range.begin, range.bytes()},
                                       protect ? uapi::writeprotect_mode_wp : 0};
    answer = calls.ioctl(userfaultfd, uapi::ioctl_writeprotect, &argument);
    if (answer != -EAGAIN) break;
  }
  return answer < 0 ? error{"UFFDIO_WRITEPROTECT", static_cast<int>(-answer), range, ""} : error{};
}

}  // namespace kernel

GCBARRIER_NAMESPACE_END

#endif
