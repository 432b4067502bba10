// PAGEMAP_SCAN, typed: which pages of a range have which properties, and write-protect them in the same step.
// Source: Documentation/admin-guide/mm/pagemap.rst.
#ifndef GCBARRIER_KERNEL_PAGE_SCAN_HPP
#define GCBARRIER_KERNEL_PAGE_SCAN_HPP

#include <cerrno>
#include <cstdint>
#include <span>

#include "../address_range.hpp"
#include "../error.hpp"
#include "../version.hpp"
#include "system_calls.hpp"
#include "uapi.hpp"

GCBARRIER_NAMESPACE_BEGIN

namespace kernel {

using uapi::page_region;

// What to ask. The masks hold page_is_* bits. A page matches if, with the categories in `inverted` flipped,
// it has all of `all_of` and, where that is not zero, at least one of `any_of`. Regions carry the categories
// in `returned`.
//
// The default, WRITTEN alone in both masks, is the only form with a fast path in the kernel, and the only one
// that kernels before mid-2026 answer right for pages that were zapped.
struct scan_request {
  address_range range;             // begin page-aligned; the kernel rounds end up
  std::span<page_region> regions;  // where the answer goes; never empty when protecting
  bool protect = false;            // write-protect what matched, atomically with reading it
  bool require_registered = true;  // EPERM on a mapping that is not tracked by an asynchronous userfaultfd
  std::uint64_t max_pages = 0;     // stop after so many matching pages; 0: no limit
  std::uint64_t inverted = 0;
  std::uint64_t all_of = uapi::page_is_written;
  std::uint64_t any_of = 0;
  std::uint64_t returned = uapi::page_is_written;
};

struct scan_answer {
  std::span<const page_region> regions;
  // Where the kernel says that it stopped. Do not resume from it: the kernel collects regions in blocks of
  // 512, and a walk that fills a block and then completes leaves walk_end at that block's end.
  std::uintptr_t walk_end = 0;
  // The walk reached the end of the range. With max_pages, a full count stops it early as well.
  bool complete = false;
};

// One PAGEMAP_SCAN on a descriptor of /proc/self/pagemap. Errors, beside the kernel's own (EINVAL, EFAULT,
// EPERM, EBADF, ENOTTY, ENOMEM): EINVAL for protecting without room for regions, which on kernels before 6.17
// ignored the masks and crashed on partial huge pages; EPROTO for an answer that no kernel should give. After
// an error while protecting, pages may have been protected that were never reported: all of the range must be
// taken as written.
inline result<scan_answer> scan_pages(system_calls calls, int pagemap, const scan_request& request) {
  constexpr const char* name = "PAGEMAP_SCAN";
  if (request.protect && request.regions.empty()) {
    return error{name, EINVAL, request.range, "give it room for at least one region"};
  }
  uapi::pm_scan_arg argument{};
  argument.size = sizeof argument;
  argument.flags = (request.protect ? uapi::scan_wp_matching : 0) |
                   (request.require_registered ? uapi::scan_check_wpasync : 0);
  argument.start = request.range.begin;
  argument.end = request.range.end;
  argument.vec = reinterpret_cast<std::uintptr_t>(request.regions.data());
  argument.vec_len = request.regions.size();
  argument.max_pages = request.max_pages;
  argument.category_inverted = request.inverted;
  argument.category_mask = request.all_of;
  argument.category_anyof_mask = request.any_of;
  argument.return_mask = request.returned;
  const long count = calls.ioctl(pagemap, uapi::ioctl_pagemap_scan, &argument);
  if (count < 0) {
    const char* advice = count == -EPERM ? "the memory is not, or no longer, tracked by this process" : "";
    return error{name, static_cast<int>(-count), request.range, advice};
  }
  if (static_cast<std::size_t>(count) > request.regions.size()) {
    return error{name, EPROTO, request.range, "the kernel returned more regions than asked for"};
  }
  scan_answer answer;
  answer.regions = request.regions.first(static_cast<std::size_t>(count));
  answer.walk_end = argument.walk_end;
  // An empty vector asks only for walk_end, and there the kernel does walk to the end.
  answer.complete = request.regions.empty() || answer.regions.size() < request.regions.size();
  return answer;
}

}  // namespace kernel

GCBARRIER_NAMESPACE_END

#endif
