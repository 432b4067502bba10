// A broken barrier, for negative controls.
#ifndef GCHEAP_TESTS_DROPPING_A_PAGE_HPP
#define GCHEAP_TESTS_DROPPING_A_PAGE_HPP

#include <gcbarrier/address_range.hpp>
#include <gcbarrier/dirty_set.hpp>
#include <gcbarrier/error.hpp>
#include <heap/barriers.hpp>

#include <cstdint>
#include <utility>
#include <vector>

namespace heap_test {

// A barrier whose sets lack the page that this address lies in.
template <class Barrier>
class dropping_a_page : public Barrier {
 public:
  static inline const void* dropped = nullptr;

  static gcbarrier::result<dropping_a_page> open(gcbarrier::address_range heap,
                                                 gcbarrier::address_range young) {
    auto inner = gcheap::open_barrier<Barrier>(heap, young);
    if (!inner) return inner.error();
    return dropping_a_page(std::move(*inner));
  }

  gcbarrier::dirty_set written() {
    const gcbarrier::address_range page = gcbarrier::address_range(dropped, 1).widened_to(4096);
    runs_.clear();
    for (const gcbarrier::address_range run : Barrier::written()) {
      for (const gcbarrier::address_range part : {run.intersection({std::uintptr_t{0}, page.begin}),
                                                  run.intersection({page.end, ~std::uintptr_t{0}})}) {
        if (!part.empty()) runs_.push_back(part);
      }
    }
    return gcbarrier::dirty_set(runs_);
  }

 private:
  explicit dropping_a_page(Barrier inner) : Barrier(std::move(inner)) {}
  std::vector<gcbarrier::address_range> runs_;
};

}  // namespace heap_test

#endif
