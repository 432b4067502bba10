// The kernel's interface as this library uses it: userfaultfd write-protect mode and PAGEMAP_SCAN.
//
// Own definitions, because both are newer than the headers of the distributions that the library is built on
// (Debian 12 ships those of Linux 6.1; PAGEMAP_SCAN came with 6.7). tests/kernel/uapi.test.cpp compares them
// with the system's where those have them. Source: include/uapi/linux/userfaultfd.h, include/uapi/linux/fs.h.
#ifndef GCBARRIER_KERNEL_UAPI_HPP
#define GCBARRIER_KERNEL_UAPI_HPP

#include <sys/ioctl.h>

#include <cstddef>
#include <cstdint>

#include "../version.hpp"

GCBARRIER_NAMESPACE_BEGIN

namespace kernel::uapi {

// ---- userfaultfd ----

// Handle only faults from user mode: what lets an unprivileged process have one. Asynchronous write-protect
// faults are resolved inside the kernel whoever caused them, so nothing is lost by it.
inline constexpr int user_mode_only = 1;

inline constexpr std::uint64_t api_version = 0xAA;
inline constexpr std::uint64_t feature_pagefault_flag_wp = std::uint64_t{1} << 0;
inline constexpr std::uint64_t feature_wp_hugetlbfs_shmem = std::uint64_t{1} << 12;
inline constexpr std::uint64_t feature_wp_unpopulated = std::uint64_t{1} << 13;
inline constexpr std::uint64_t feature_wp_async = std::uint64_t{1} << 15;

struct uffdio_api {
  std::uint64_t api;
  std::uint64_t features;
  std::uint64_t ioctls;
};

struct uffdio_range {
  std::uint64_t start;
  std::uint64_t len;
};

inline constexpr std::uint64_t register_mode_wp = 2;

struct uffdio_register {
  uffdio_range range;
  std::uint64_t mode;
  std::uint64_t ioctls;  // returned: a bit per ioctl that works on the range
};

// Bits of uffdio_register::ioctls.
inline constexpr std::uint64_t range_can_zeropage = std::uint64_t{1} << 4;  // absent for hugetlb
inline constexpr std::uint64_t range_can_writeprotect = std::uint64_t{1} << 6;

inline constexpr std::uint64_t writeprotect_mode_wp = 1;

struct uffdio_writeprotect {
  uffdio_range range;
  std::uint64_t mode;
};

// What is read from a userfaultfd for a fault that waits to be resolved; asynchronous ones never come here.
struct uffd_msg {
  std::uint8_t event;
  std::uint8_t reserved[7];
  std::uint64_t flags;    // of a page fault
  std::uint64_t address;  // of the page
  std::uint64_t thread;
};
inline constexpr std::uint8_t event_pagefault = 0x12;

inline constexpr unsigned long ioctl_userfaultfd_new = _IO(0xAA, 0x00);  // on /dev/userfaultfd
inline constexpr unsigned long ioctl_api = _IOWR(0xAA, 0x3F, uffdio_api);
inline constexpr unsigned long ioctl_register = _IOWR(0xAA, 0x00, uffdio_register);
inline constexpr unsigned long ioctl_unregister = _IOR(0xAA, 0x01, uffdio_range);
inline constexpr unsigned long ioctl_wake = _IOR(0xAA, 0x02, uffdio_range);
inline constexpr unsigned long ioctl_writeprotect = _IOWR(0xAA, 0x06, uffdio_writeprotect);

// ---- PAGEMAP_SCAN, on /proc/<pid>/pagemap ----

inline constexpr std::uint64_t page_is_wpallowed = 1;
inline constexpr std::uint64_t page_is_written = 2;
inline constexpr std::uint64_t page_is_file = 4;
inline constexpr std::uint64_t page_is_present = 8;
inline constexpr std::uint64_t page_is_swapped = 16;
inline constexpr std::uint64_t page_is_pfnzero = 32;
inline constexpr std::uint64_t page_is_huge = 64;
inline constexpr std::uint64_t page_is_soft_dirty = 128;

inline constexpr std::uint64_t scan_wp_matching = 1;
inline constexpr std::uint64_t scan_check_wpasync = 2;

struct page_region {
  std::uint64_t start;
  std::uint64_t end;
  std::uint64_t categories;
};

struct pm_scan_arg {
  std::uint64_t size;
  std::uint64_t flags;
  std::uint64_t start;
  std::uint64_t end;
  std::uint64_t walk_end;
  std::uint64_t vec;
  std::uint64_t vec_len;
  std::uint64_t max_pages;
  std::uint64_t category_inverted;
  std::uint64_t category_mask;
  std::uint64_t category_anyof_mask;
  std::uint64_t return_mask;
};
static_assert(sizeof(pm_scan_arg) == 96, "the kernel refuses any other size");

inline constexpr unsigned long ioctl_pagemap_scan = _IOWR('f', 16, pm_scan_arg);

// ---- madvise ----

inline constexpr int advice_collapse = 25;  // Linux 6.1

// ---- /proc/<pid>/pagemap entries and clear_refs, the older soft-dirty interface ----

inline constexpr std::uint64_t pagemap_soft_dirty = std::uint64_t{1} << 55;
inline constexpr char clear_soft_dirty[] = "4\n";

}  // namespace kernel::uapi

GCBARRIER_NAMESPACE_END

#endif
