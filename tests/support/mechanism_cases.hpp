// One type for each mechanism, with what a test needs to treat them alike: for TEST_CASE_TEMPLATE.
#ifndef GCBARRIER_TESTS_SUPPORT_MECHANISM_CASES_HPP
#define GCBARRIER_TESTS_SUPPORT_MECHANISM_CASES_HPP

#include <cstddef>
#include <gcbarrier/mechanism/mprotect_segv.hpp>
#include <gcbarrier/mechanism/soft_dirty.hpp>
#include <gcbarrier/mechanism/uffd_async.hpp>
#include <gcbarrier/mechanism/uffd_sync.hpp>

#include "memory.hpp"
#include "soft_dirty_kernel.hpp"

namespace support {

// A mechanism on the running kernel.
template <gcbarrier::mechanism M>
struct on_this_kernel {
  using mechanism = M;
  // Tells what memory the test is going to write to.
  void models(gcbarrier::address_range /*memory*/) {}
  void write(const memory& heap, std::size_t page, char value = 1) { heap.write(page, value); }
  gcbarrier::kernel::system_calls calls() { return {}; }
};
struct uffd_case : on_this_kernel<gcbarrier::uffd_async> {};
struct uffd_sync_case : on_this_kernel<gcbarrier::uffd_sync> {};
struct mprotect_case : on_this_kernel<gcbarrier::mprotect_segv> {};

// soft_dirty on a kernel that is told of each write.
struct soft_dirty_case {
  using mechanism = gcbarrier::soft_dirty;
  soft_dirty_kernel kernel;
  void models(gcbarrier::address_range memory) { kernel.models(memory); }
  void write(const memory& heap, std::size_t page, char value = 1) {
    heap.write(page, value);
    kernel.wrote(heap.page(page));
  }
  gcbarrier::kernel::system_calls calls() { return kernel.calls(); }
};

}  // namespace support

#endif
