#include "page_states.hpp"

#include <fcntl.h>

#include <gcbarrier/kernel/page_scan.hpp>

#include <algorithm>

#include "../../arena_pool.hpp"

namespace gcheap::demo {

namespace kernel = gcbarrier::kernel;
using gcbarrier::address_range;

namespace {
constexpr std::size_t none = ~std::size_t{0};
}  // namespace

page_states::page_states(address_range old_space, kernel::system_calls calls)
    : old_space_(old_space),
      calls_(calls),
      pagemap_(calls, static_cast<int>(calls.open("/proc/self/pagemap", O_RDONLY))),
      page_(kernel::page_size()),
      pages_per_step_(arena_step / page_),
      first_page_((old_space.bytes() + arena_step - 1) / arena_step, none),
      regions_(4096) {}

std::size_t page_states::index(std::uintptr_t address) {
  const std::size_t offset = address - old_space_.begin;
  std::size_t& first = first_page_[offset / arena_step];
  if (first == none) {
    first = flags_.size();
    flags_.resize(first + pages_per_step_, can_tell_ ? 0 : present);
  }
  return first + offset % arena_step / page_;
}

template <class F>
void page_states::each(address_range range, F change) {
  const address_range pages = range.widened_to(page_).intersection(old_space_);
  for (std::uintptr_t at = pages.begin; at < pages.end; at += page_) change(flags_[index(at)]);
}

void page_states::forget_writes() {
  for (std::uint8_t& flags : flags_) flags &= static_cast<std::uint8_t>(~(written | found));
}

void page_states::mark_written(address_range range) {
  each(range, [](std::uint8_t& flags) { flags |= present | written; });
}

void page_states::mark_found(const void* slot) {
  each(address_range(slot, sizeof slot), [](std::uint8_t& flags) { flags |= present | written | found; });
}

bool page_states::survey() {
  if (!can_tell_) return false;
  for (std::uint8_t& flags : flags_) {
    flags &= written | found;
    if (flags != 0) flags |= present;
  }
  kernel::scan_request request;
  request.range = old_space_;
  request.regions = regions_;
  request.require_registered = false;  // software barriers are looked at too
  // Not the zero page: memory that a search read and nobody wrote.
  request.inverted = request.all_of = kernel::uapi::page_is_pfnzero;
  // Swapped ones are left out too: pages that were protected before anybody wrote them look the same.
  request.any_of = kernel::uapi::page_is_present;
  // Only memory that an asynchronous userfaultfd tracks is "allowed"; all other memory counts as written.
  constexpr std::uint64_t left_open = kernel::uapi::page_is_wpallowed | kernel::uapi::page_is_written;
  request.returned = left_open | kernel::uapi::page_is_huge;
  for (;;) {
    const auto answer = kernel::scan_pages(calls_, pagemap_.number(), request);
    if (!answer) {
      can_tell_ = false;
      for (std::uint8_t& flags : flags_) flags |= present;
      return false;
    }
    for (const kernel::page_region& region : answer->regions) {
      std::uint8_t seen = present;
      if ((region.categories & left_open) == left_open) seen |= unprotected;
      if ((region.categories & kernel::uapi::page_is_huge) != 0) seen |= huge;
      each({region.start, region.end}, [&](std::uint8_t& flags) { flags |= seen; });
    }
    if (answer->complete) return true;
    request.range.begin = answer->regions.back().end;
  }
}

}  // namespace gcheap::demo
