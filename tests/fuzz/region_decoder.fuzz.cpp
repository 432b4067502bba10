// What uffd_async makes of the kernel's answers: it returns ordered pages of the range and all that was
// reported, or an error, and it comes to an end.
#include <gcbarrier/mechanism/uffd_async.hpp>
#include <optional>
#include <vector>

#include "bytes.hpp"

using gcbarrier::address_range;
using gcbarrier::run_list;
using gcbarrier::uffd_async;
using gcbarrier::kernel::system_calls;
namespace uapi = gcbarrier::kernel::uapi;

namespace {

constexpr std::uintptr_t page = 4096;

// Grants everything at open; then answers each scan as the input says, nonsense included.
struct lying_kernel {
  fuzz::bytes input;
  address_range range;
  bool opened = false;
  std::size_t scans = 0;
  std::vector<address_range> reported;

  static long answer(void* context, long number, system_calls::argument_list a) {
    auto& self = *static_cast<lying_kernel*>(context);
    switch (number) {
      case SYS_userfaultfd:
        return 1000;
      case SYS_openat:
        return 1001;
      case SYS_fstat:
      case SYS_close:
      case SYS_msync:
        return 0;
      case SYS_ioctl:
        if (static_cast<unsigned long>(a[1]) == uapi::ioctl_pagemap_scan) {
          return self.scan(*reinterpret_cast<uapi::pm_scan_arg*>(a[2]));
        }
        return 0;
      default:
        return system_calls::real(nullptr, number, a);
    }
  }

  long scan(uapi::pm_scan_arg& argument) {
    if (!opened) return 0;
    ++scans;
    auto* const regions = reinterpret_cast<uapi::page_region*>(argument.vec);
    const std::uint8_t what = input.next();
    if (what < 16) return -static_cast<long>(what + 1);  // an errno
    if (what < 20) return static_cast<long>(input.word());
    // Mostly ordered regions, page by page; some that are off.
    std::uintptr_t at = argument.start;
    std::size_t count = 0;
    const std::size_t wanted = what > 200 ? argument.vec_len : std::size_t{what} % (argument.vec_len + 1);
    const std::uint8_t gap = input.next();
    while (count < wanted) {
      const std::uint8_t oddity = input.next();
      uapi::page_region& region = regions[count++];
      region.start = at + page * (gap % 3);
      region.end = region.start + page * (1 + oddity % 2);
      region.categories = uapi::page_is_written;
      if (oddity > 250) region.start = input.word();
      if (oddity > 253) region.end = input.word();
      at = region.end;
    }
    argument.walk_end = input.flip() ? argument.end : input.word();
    for (std::size_t i = 0; i < count; ++i) reported.emplace_back(regions[i].start, regions[i].end);
    return static_cast<long>(count);
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  lying_kernel kernel{{data, size}, {}, false, 0, {}};
  const std::size_t pages = 1 + kernel.input.below(200);
  kernel.range = {0x10000000, 0x10000000 + pages * page};
  auto mechanism = uffd_async::open({&lying_kernel::answer, &kernel});
  fuzz::check(static_cast<bool>(mechanism), "it opens");
  kernel.opened = true;

  run_list out;
  fuzz::check(!out.reserve(pages / 2 + 2), "memory for the runs");
  for (int question = 0; question < 4; ++question) {
    kernel.scans = 0;
    kernel.reported.clear();
    out.clear();
    const gcbarrier::error why = question % 2 == 0 ? mechanism->read(kernel.range, out)
                                                   : mechanism->read_and_protect(kernel.range, out);
    fuzz::check(kernel.scans <= pages + 1, "each scan gets on by a page");
    std::uintptr_t before = 0;
    for (const address_range run : out.runs()) {
      fuzz::check(!run.empty() && run.aligned_to(page) && kernel.range.contains(run),
                  "whole pages of the range");
      fuzz::check(run.begin > before || before == 0, "ordered and merged");
      before = run.end;
    }
    if (why) continue;
    for (const address_range region : kernel.reported) {
      bool found = false;
      for (const address_range run : out.runs()) found |= run.contains(region);
      fuzz::check(found, "no region is lost");
    }
  }
  return 0;
}
