// Written pages from the page tables: userfaultfd asynchronous write-protect and PAGEMAP_SCAN.
//
// A protected page carries a bit in its page-table entry. The first write to it takes a fault that the kernel
// resolves by itself: it drops the bit and lets the write through. "Written" is the bit's absence;
// PAGEMAP_SCAN reports those pages and sets the bit again under the page-table lock, so a write is either
// before the scan and reported, or after it and faults.
#ifndef GCBARRIER_MECHANISM_UFFD_ASYNC_HPP
#define GCBARRIER_MECHANISM_UFFD_ASYNC_HPP

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <optional>
#include <utility>

#include "../address_range.hpp"
#include "../error.hpp"
#include "../kernel/descriptor.hpp"
#include "../kernel/lasting_descriptor.hpp"
#include "../kernel/mapped_array.hpp"
#include "../kernel/page_scan.hpp"
#include "../kernel/system_calls.hpp"
#include "../kernel/userfaultfd.hpp"
#include "../run_list.hpp"
#include "../version.hpp"
#include "mechanism.hpp"

GCBARRIER_NAMESPACE_BEGIN

// Descriptors opened by this very process before a sandbox forbade it: a userfaultfd on which UFFDIO_API has
// granted kernel::async_write_protect_features, and /proc/self/pagemap open for reading.
struct adopted_descriptors {
  int userfaultfd = -1;
  int pagemap = -1;
};

class uffd_async {
 public:
  // Errors: those of open_userfaultfd and negotiate_async, and of opening /proc/self/pagemap (EACCES after
  // setuid or with dumpable 0, ENOENT without /proc).
  static result<uffd_async> open(kernel::system_calls calls) {
    uffd_async made(calls);
    if (const error why = made.scratch_.reserve(scratch_regions)) return why;
    made.scratch_.resize(scratch_regions);
    if (const error why = made.open_descriptors()) return why;
    return made;
  }

  // Uses descriptors opened earlier, and owns them from now on, even if this fails (ENOMEM). Never opens new
  // ones, so it is lost in a forked child. From here on the tracker needs no more than ioctl, fstat, msync,
  // mmap, munmap, madvise and close: a sandbox may kill for everything else.
  static result<uffd_async> adopt(kernel::system_calls calls, adopted_descriptors from) {
    uffd_async made(calls);
    made.adopted_ = true;
    made.userfaultfd_ = kernel::lasting_descriptor(calls, from.userfaultfd);
    made.pagemap_ = kernel::lasting_descriptor(calls, from.pagemap);
    if (const error why = made.scratch_.reserve(scratch_regions)) return why;
    made.scratch_.resize(scratch_regions);
    return made;
  }

  uffd_async(uffd_async&&) noexcept = default;
  uffd_async& operator=(uffd_async&&) noexcept = default;
  uffd_async(const uffd_async&) = delete;
  uffd_async& operator=(const uffd_async&) = delete;
  ~uffd_async() { close_descriptors(); }

  [[nodiscard]] static constexpr mechanism_kind kind() { return mechanism_kind::uffd_async; }
  [[nodiscard]] mechanism_traits traits() const { return {true, true, false, adopted_}; }
  [[nodiscard]] mechanism_counters counters() const { return counters_; }

  error attach(address_range range) {
    if (!userfaultfd_.intact()) return closed("UFFDIO_REGISTER", range);
    ++counters_.system_calls;
    return kernel::register_range(calls_, userfaultfd_.number(), range);
  }
  error detach(address_range range) {
    if (!userfaultfd_.intact()) return closed("UFFDIO_UNREGISTER", range);
    ++counters_.system_calls;
    return kernel::unregister_range(calls_, userfaultfd_.number(), range);
  }

  error read(address_range range, run_list& out) { return scan(range, false, &out); }
  error read_and_protect(address_range range, run_list& out) { return scan(range, true, &out); }
  // By a scan whose answer is thrown away: UFFDIO_WRITEPROTECT pays for every page of the range, protected or
  // not.
  error protect(address_range range) { return scan(range, true, nullptr); }
  error unprotect(address_range range) {
    ++counters_.system_calls;
    return kernel::write_protect(calls_, userfaultfd_.number(), range, false);
  }

  // What a block of huge_page_bytes() lies on, which begins on a multiple of that.
  result<block_pages> pages_of(address_range block) {
    kernel::scan_request request;
    request.range = block;
    request.all_of = kernel::uapi::page_is_present;
    request.returned = kernel::uapi::page_is_huge | kernel::uapi::page_is_file;
    request.regions = {scratch_.data(), 2};  // whatever needs more is no one thing
    ++counters_.system_calls;
    const result<kernel::scan_answer> answer = kernel::scan_pages(calls_, pagemap_.number(), request);
    if (!answer) return answer.error();
    if (answer->regions.size() != 1) return block_pages::other;
    const kernel::page_region& all = answer->regions[0];
    if (all.start != block.begin || all.end != block.end) return block_pages::other;
    // The kernel does not map a huge page of shared memory where userfaultfd watches it.
    if ((all.categories & kernel::uapi::page_is_file) != 0) return block_pages::other;
    return (all.categories & kernel::uapi::page_is_huge) != 0 ? block_pages::huge : block_pages::small;
  }

  // Moves the block to a huge page. It is unprotected meanwhile, because the kernel collapses no protected
  // page: what is written before the end of this call is forgotten. False: the kernel refused, as it may at
  // any time, for want of memory, because a page is pinned, or by MADV_NOHUGEPAGE. Half a millisecond for
  // 2 MiB.
  result<bool> collapse(address_range block) {
    if (const error why = unprotect(block)) return why;
    ++counters_.system_calls;
    const long refused = calls_.call(SYS_madvise, block.begin, block.bytes(), kernel::uapi::advice_collapse);
    if (const error why = protect(block)) return why;
    return refused == 0;
  }

  error reopen() {
    // In a forked child the old ones name the parent's memory, so they must go whatever comes next.
    close_descriptors();
    if (adopted_)
      return {"reopen", EPERM, {}, "adopted descriptors cannot be opened again; open a new tracker"};
    return open_descriptors();
  }

 private:
  explicit uffd_async(kernel::system_calls calls) : calls_(calls), scratch_(calls) {}

  // One ioctl per so many runs; 96 KiB, which stays in the second-level cache.
  static constexpr std::size_t scratch_regions = 4096;

  error open_descriptors() {
    result<kernel::descriptor> opened = kernel::open_userfaultfd(calls_);
    if (!opened) return opened.error();
    if (const error why = kernel::negotiate_async(calls_, opened->number())) return why;
    const long number = calls_.open("/proc/self/pagemap", O_RDONLY);
    if (number < 0) {
      const char* advice =
          number == -EACCES   ? "this process is not dumpable: prctl(PR_SET_DUMPABLE, 1) mends it"
          : number == -ENOENT ? "mount /proc, or open the tracker before entering the container"
                              : "";
      return {"open /proc/self/pagemap", static_cast<int>(-number), {}, advice};
    }
    kernel::descriptor pagemap(calls_, static_cast<int>(number));
    kernel::scan_request nothing;
    nothing.require_registered = false;
    if (!kernel::scan_pages(calls_, pagemap.number(), nothing)) {
      return {
          "PAGEMAP_SCAN", ENOTSUP, {}, "needs Linux 6.7 and a /proc/self/pagemap that is the kernel's own"};
    }
    userfaultfd_ = kernel::lasting_descriptor(calls_, opened->release());
    pagemap_ = kernel::lasting_descriptor(calls_, pagemap.release());
    return {};
  }

  // Whoever closed one has probably closed both, and then a pagemap of this number is another tracker's.
  void close_descriptors() {
    if (!userfaultfd_.intact()) pagemap_.abandon();
    userfaultfd_ = {};
    pagemap_ = {};
  }

  // Another userfaultfd of that number would take our requests, and another process's even for its own
  // memory.
  static error closed(const char* operation, address_range range) {
    return {operation, EBADF, range, "somebody has closed the userfaultfd"};
  }

  // `out` null: the answer is not wanted.
  error scan(address_range range, bool protect, run_list* out) {
    // Holes pass the kernel's check for registered memory, so an arena that was unmapped or moved away would
    // read as clean for ever. msync with nothing to do fails on them.
    ++counters_.system_calls;
    const long mapped = calls_.call(SYS_msync, range.begin, range.bytes(), MS_ASYNC);
    if (mapped < 0)
      return {"msync", static_cast<int>(-mapped), range, "part of the arena was unmapped or moved"};

    kernel::scan_request request;
    request.protect = protect;
    // Every other page makes the most regions, and room for one more shows that the scan is complete. The
    // kernel allocates as much as it is given, which for a short range is half of what the call costs.
    const std::size_t enough = range.bytes() / kernel::page_size() / 2 + 2;
    request.regions = {scratch_.data(), std::min(scratch_.size(), enough)};
    std::uintptr_t position = range.begin;
    while (position < range.end) {
      request.range = {position, range.end};
      ++counters_.system_calls;
      const result<kernel::scan_answer> answer = kernel::scan_pages(calls_, pagemap_.number(), request);
      if (!answer) return answer.error();
      const std::optional<taken> part = take(answer->regions, request.range, out);
      if (!part)
        return {"PAGEMAP_SCAN", EPROTO, range, "the kernel returned regions outside of what was asked"};
      if (protect) counters_.pages_protected += part->bytes / kernel::page_size();
      if (answer->complete) return {};
      // Not walk_end, which can be stale; the pages after the last region are at worst read once more.
      position = part->end;
    }
    return {};
  }

  struct taken {
    std::uintptr_t end;   // of the last region
    std::uint64_t bytes;  // in all of them
  };

  // Appends the regions to `out`. Nothing if they are not whole pages, in order, within `range`: then nothing
  // in them can be trusted. All in one pass: with every other page written, each pass over the regions costs
  // two hundredths of the ioctl.
  static std::optional<taken> take(std::span<const kernel::page_region> regions, address_range range,
                                   run_list* out) {
    taken sum{range.begin, 0};
    const std::size_t page = kernel::page_size();
    for (const kernel::page_region& region : regions) {
      const address_range run{region.start, region.end};
      if (run.begin < sum.end || run.empty() || run.end > range.end) return std::nullopt;
      if (!run.aligned_to(page)) return std::nullopt;
      sum.end = run.end;
      sum.bytes += run.bytes();
      if (out != nullptr) out->append(run);
    }
    return sum;
  }

  kernel::system_calls calls_;
  kernel::lasting_descriptor userfaultfd_;
  kernel::lasting_descriptor pagemap_;
  kernel::mapped_array<kernel::page_region> scratch_;
  mechanism_counters counters_;
  bool adopted_ = false;
};
static_assert(collapsing_mechanism<uffd_async>);

GCBARRIER_NAMESPACE_END

#endif
