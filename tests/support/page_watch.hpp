// Written pages straight from the kernel, through the typed wrappers and nothing above them.
#ifndef GCBARRIER_TESTS_SUPPORT_PAGE_WATCH_HPP
#define GCBARRIER_TESTS_SUPPORT_PAGE_WATCH_HPP

#include <doctest/doctest.h>

#include <cstddef>
#include <gcbarrier/address_range.hpp>
#include <gcbarrier/error.hpp>
#include <gcbarrier/kernel/descriptor.hpp>
#include <gcbarrier/kernel/page_scan.hpp>
#include <gcbarrier/kernel/system_calls.hpp>
#include <gcbarrier/kernel/userfaultfd.hpp>
#include <utility>
#include <vector>

#include "memory.hpp"

namespace support {

// A userfaultfd in asynchronous mode and a pagemap descriptor.
class page_watch {
 public:
  explicit page_watch(gcbarrier::kernel::system_calls calls = {}) : calls_(calls) {
    auto opened = gcbarrier::kernel::open_userfaultfd(calls);
    REQUIRE(opened);
    userfaultfd_ = std::move(*opened);
    REQUIRE_FALSE(gcbarrier::kernel::negotiate_async(calls, userfaultfd_.number()));
    pagemap_ = {calls, static_cast<int>(calls.open("/proc/self/pagemap", O_RDONLY))};
    REQUIRE(pagemap_.number() >= 0);
  }
  // The same, already watching and protecting the memory.
  explicit page_watch(const memory& armed, gcbarrier::kernel::system_calls calls = {}) : page_watch(calls) {
    REQUIRE_FALSE(add(armed.range()));
    REQUIRE_FALSE(arm(armed.range()));
  }

  [[nodiscard]] int userfaultfd() const { return userfaultfd_.number(); }
  [[nodiscard]] int pagemap() const { return pagemap_.number(); }
  void close_userfaultfd() { userfaultfd_ = {}; }

  gcbarrier::error add(gcbarrier::address_range range) {
    return gcbarrier::kernel::register_range(calls_, userfaultfd(), range);
  }
  gcbarrier::error remove(gcbarrier::address_range range) {
    return gcbarrier::kernel::unregister_range(calls_, userfaultfd(), range);
  }
  gcbarrier::error arm(gcbarrier::address_range range) {
    return gcbarrier::kernel::write_protect(calls_, userfaultfd(), range, true);
  }
  gcbarrier::error disarm(gcbarrier::address_range range) {
    return gcbarrier::kernel::write_protect(calls_, userfaultfd(), range, false);
  }

  // A request for the written pages of a range, with room for an answer that is valid until the next request.
  gcbarrier::kernel::scan_request ask(gcbarrier::address_range range, std::size_t room = 4096) {
    regions_.resize(room);
    gcbarrier::kernel::scan_request request;
    request.range = range;
    request.regions = regions_;
    return request;
  }
  gcbarrier::result<gcbarrier::kernel::scan_answer> scan(const gcbarrier::kernel::scan_request& request) {
    return gcbarrier::kernel::scan_pages(calls_, pagemap(), request);
  }
  gcbarrier::error scan_error(const gcbarrier::kernel::scan_request& request) {
    const auto answer = scan(request);
    return answer ? gcbarrier::error{} : answer.error();
  }

  // Numbers of the written pages, which stay written.
  page_numbers written(const memory& from) { return pages(from, false); }
  // Numbers of the written pages, which are protected again.
  page_numbers collect(const memory& from) { return pages(from, true); }

 private:
  page_numbers pages(const memory& from, bool protect) {
    auto request = ask(from.range(), from.pages() / 2 + 2);
    request.protect = protect;
    const auto answer = scan(request);
    REQUIRE(answer);
    REQUIRE(answer->complete);
    return from.pages_in(answer->regions);
  }

  gcbarrier::kernel::system_calls calls_;
  gcbarrier::kernel::descriptor userfaultfd_;
  gcbarrier::kernel::descriptor pagemap_;
  std::vector<gcbarrier::kernel::page_region> regions_;
};

}  // namespace support

#endif
