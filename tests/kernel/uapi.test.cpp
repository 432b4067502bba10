// Our definitions against those of the system's headers, as far as these have them.
#include <doctest/doctest.h>
#include <linux/fs.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>

#include <cstddef>
#include <gcbarrier/kernel/uapi.hpp>

namespace uapi = gcbarrier::kernel::uapi;

#define SAME_FIELD(type, field)                                          \
  static_assert(offsetof(uapi::type, field) == offsetof(::type, field)); \
  static_assert(sizeof(uapi::type::field) == sizeof(::type::field))

static_assert(uapi::api_version == UFFD_API);
static_assert(sizeof(uapi::uffdio_api) == sizeof(::uffdio_api));
SAME_FIELD(uffdio_api, api);
SAME_FIELD(uffdio_api, features);
SAME_FIELD(uffdio_api, ioctls);
static_assert(sizeof(uapi::uffdio_range) == sizeof(::uffdio_range));
SAME_FIELD(uffdio_range, start);
SAME_FIELD(uffdio_range, len);
static_assert(sizeof(uapi::uffdio_register) == sizeof(::uffdio_register));
SAME_FIELD(uffdio_register, range);
SAME_FIELD(uffdio_register, mode);
SAME_FIELD(uffdio_register, ioctls);
static_assert(sizeof(uapi::uffdio_writeprotect) == sizeof(::uffdio_writeprotect));
SAME_FIELD(uffdio_writeprotect, range);
SAME_FIELD(uffdio_writeprotect, mode);
static_assert(uapi::register_mode_wp == UFFDIO_REGISTER_MODE_WP);
static_assert(uapi::writeprotect_mode_wp == UFFDIO_WRITEPROTECT_MODE_WP);
static_assert(uapi::range_can_zeropage == std::uint64_t{1} << _UFFDIO_ZEROPAGE);
static_assert(uapi::range_can_writeprotect == std::uint64_t{1} << _UFFDIO_WRITEPROTECT);
static_assert(uapi::ioctl_api == UFFDIO_API);
static_assert(uapi::ioctl_register == UFFDIO_REGISTER);
static_assert(uapi::ioctl_unregister == UFFDIO_UNREGISTER);
static_assert(uapi::ioctl_writeprotect == UFFDIO_WRITEPROTECT);
static_assert(uapi::ioctl_wake == UFFDIO_WAKE);
static_assert(uapi::feature_pagefault_flag_wp == UFFD_FEATURE_PAGEFAULT_FLAG_WP);
static_assert(sizeof(uapi::uffd_msg) == sizeof(::uffd_msg));
static_assert(offsetof(uapi::uffd_msg, flags) == offsetof(::uffd_msg, arg.pagefault.flags));
static_assert(offsetof(uapi::uffd_msg, address) == offsetof(::uffd_msg, arg.pagefault.address));
static_assert(uapi::event_pagefault == UFFD_EVENT_PAGEFAULT);

#ifdef UFFD_USER_MODE_ONLY
static_assert(uapi::user_mode_only == UFFD_USER_MODE_ONLY);
#endif
#ifdef USERFAULTFD_IOC_NEW
static_assert(uapi::ioctl_userfaultfd_new == USERFAULTFD_IOC_NEW);
#endif
#ifdef UFFD_FEATURE_WP_HUGETLBFS_SHMEM
static_assert(uapi::feature_wp_hugetlbfs_shmem == UFFD_FEATURE_WP_HUGETLBFS_SHMEM);
#endif
#ifdef UFFD_FEATURE_WP_UNPOPULATED
static_assert(uapi::feature_wp_unpopulated == UFFD_FEATURE_WP_UNPOPULATED);
#endif
#ifdef UFFD_FEATURE_WP_ASYNC
static_assert(uapi::feature_wp_async == UFFD_FEATURE_WP_ASYNC);
#endif

#ifdef PAGEMAP_SCAN
static_assert(uapi::ioctl_pagemap_scan == PAGEMAP_SCAN);
static_assert(sizeof(uapi::pm_scan_arg) == sizeof(::pm_scan_arg));
SAME_FIELD(pm_scan_arg, size);
SAME_FIELD(pm_scan_arg, flags);
SAME_FIELD(pm_scan_arg, start);
SAME_FIELD(pm_scan_arg, end);
SAME_FIELD(pm_scan_arg, walk_end);
SAME_FIELD(pm_scan_arg, vec);
SAME_FIELD(pm_scan_arg, vec_len);
SAME_FIELD(pm_scan_arg, max_pages);
SAME_FIELD(pm_scan_arg, category_inverted);
SAME_FIELD(pm_scan_arg, category_mask);
SAME_FIELD(pm_scan_arg, category_anyof_mask);
SAME_FIELD(pm_scan_arg, return_mask);
static_assert(sizeof(uapi::page_region) == sizeof(::page_region));
SAME_FIELD(page_region, start);
SAME_FIELD(page_region, end);
SAME_FIELD(page_region, categories);
static_assert(uapi::page_is_wpallowed == PAGE_IS_WPALLOWED);
static_assert(uapi::page_is_written == PAGE_IS_WRITTEN);
static_assert(uapi::page_is_file == PAGE_IS_FILE);
static_assert(uapi::page_is_present == PAGE_IS_PRESENT);
static_assert(uapi::page_is_swapped == PAGE_IS_SWAPPED);
static_assert(uapi::page_is_pfnzero == PAGE_IS_PFNZERO);
static_assert(uapi::page_is_huge == PAGE_IS_HUGE);
static_assert(uapi::page_is_soft_dirty == PAGE_IS_SOFT_DIRTY);
static_assert(uapi::scan_wp_matching == PM_SCAN_WP_MATCHING);
static_assert(uapi::scan_check_wpasync == PM_SCAN_CHECK_WPASYNC);
#endif

// Compared at run time with what the running kernel does by the rest of these tests; here with the numbers
// that are its interface for ever, since older headers have nothing to compare with.
TEST_CASE("uapi: requests have the kernel's numbers") {
  CHECK(uapi::ioctl_pagemap_scan == 0xc0606610);
  CHECK(uapi::ioctl_userfaultfd_new == 0xaa00);
  CHECK(uapi::ioctl_api == 0xc018aa3f);
  CHECK(uapi::ioctl_register == 0xc020aa00);
  CHECK(uapi::ioctl_unregister == 0x8010aa01);
  CHECK(uapi::ioctl_writeprotect == 0xc018aa06);
  CHECK(uapi::feature_wp_hugetlbfs_shmem == 1U << 12);
  CHECK(uapi::feature_wp_unpopulated == 1U << 13);
  CHECK(uapi::feature_wp_async == 1U << 15);
  CHECK(sizeof(uapi::pm_scan_arg) == 96);
  CHECK(sizeof(uapi::page_region) == 24);
}
