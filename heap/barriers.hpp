// The barriers that the heap runs with, opened one way.
#ifndef GCHEAP_BARRIERS_HPP
#define GCHEAP_BARRIERS_HPP

#include <gcbarrier/address_range.hpp>
#include <gcbarrier/barrier/card_table.hpp>
#include <gcbarrier/barrier/field_log.hpp>
#include <gcbarrier/barrier/hybrid_barrier.hpp>
#include <gcbarrier/barrier/kernel_barrier.hpp>
#include <gcbarrier/barrier/none.hpp>
#include <gcbarrier/barrier/store_buffer.hpp>
#include <gcbarrier/barrier/write_barrier.hpp>
#include <gcbarrier/error.hpp>
#include <gcbarrier/mechanism/mprotect_segv.hpp>
#include <gcbarrier/mechanism/soft_dirty.hpp>
#include <gcbarrier/mechanism/uffd_async.hpp>
#include <gcbarrier/mechanism/uffd_sync.hpp>
#include <gcbarrier/policy/cost_policy.hpp>

namespace gcheap {

using uffd_async_barrier = gcbarrier::kernel_barrier<gcbarrier::uffd_async>;
using uffd_cost_barrier = gcbarrier::kernel_barrier<gcbarrier::uffd_async, gcbarrier::cost_policy>;
using uffd_sync_barrier = gcbarrier::kernel_barrier<gcbarrier::uffd_sync>;
using hybrid_barrier = gcbarrier::hybrid_barrier<uffd_async_barrier>;
using soft_dirty_barrier = gcbarrier::kernel_barrier<gcbarrier::soft_dirty>;
using mprotect_barrier = gcbarrier::kernel_barrier<gcbarrier::mprotect_segv>;

// For collector::open(): `heap` is nursery and old space, `young` where young objects lie; without
// it a barrier that filters remembers nothing.
template <gcbarrier::write_barrier Barrier>
gcbarrier::result<Barrier> open_barrier(gcbarrier::address_range heap, gcbarrier::address_range young = {}) {
  if constexpr (requires { Barrier::open(heap, young); }) {
    return Barrier::open(heap, young);
  } else if constexpr (requires { Barrier::open(heap); }) {
    return Barrier::open(heap);
  } else if constexpr (requires { Barrier::open(); }) {
    return Barrier::open();
  } else {
    return Barrier{};
  }
}

// Calls f.template operator()<Barrier>() for each barrier that compare well, in the order of reports.
template <class F>
void each_barrier(F f) {
  f.template operator()<gcbarrier::card_table>();
  f.template operator()<gcbarrier::conditional_card_table>();
  f.template operator()<gcbarrier::store_buffer>();
  f.template operator()<gcbarrier::field_log>();
  f.template operator()<uffd_async_barrier>();
  f.template operator()<uffd_cost_barrier>();
  f.template operator()<hybrid_barrier>();
  f.template operator()<soft_dirty_barrier>();
  f.template operator()<mprotect_barrier>();
  f.template operator()<uffd_sync_barrier>();
}

}  // namespace gcheap

#endif
