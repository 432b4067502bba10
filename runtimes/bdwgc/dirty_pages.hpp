// The written pages of libgc's heap.
#ifndef GCBARRIER_BDWGC_DIRTY_PAGES_HPP
#define GCBARRIER_BDWGC_DIRTY_PAGES_HPP

#include <cstddef>
#include <cstdint>
#include <span>

#include <gcbarrier/address_range.hpp>
#include <gcbarrier/dirty_set.hpp>
#include <gcbarrier/error.hpp>
#include <gcbarrier/kernel/mapped_array.hpp>
#include <gcbarrier/mechanism/uffd_async.hpp>
#include <gcbarrier/write_tracker.hpp>

#include "heap_blocks.hpp"
#include "libgc_functions.hpp"
#include "mark_procedures.hpp"
#include "test_hooks.hpp"

namespace bdwgc {

// libgc learns the dirty pages in two steps with the world stopped: it reads them, then it clears all; or it
// only clears, before a full collection. It never says where its heap is. But all of its memory comes from
// its own calls of mmap, and what of that is heap has block headers, which can be asked for. Memory that is
// not tracked (yet, or because the kernel refused it) is dirty.
//
// Everything here runs under libgc's allocation lock, some of it with the world stopped, so nothing calls
// malloc or stdio, or takes a lock of its own.
class dirty_pages {
 public:
  using tracker = gcbarrier::basic_write_tracker<gcbarrier::uffd_async>;

  dirty_pages(const libgc_functions& libgc, tracker over) : libgc_(libgc), tracker_(std::move(over)) {}

  // libgc has mapped this memory.
  void add_memory(gcbarrier::address_range range);
  // libgc has made a kind of objects.
  void add_kind(unsigned kind, GC_word descriptor) { procedures_.note(kind, descriptor); }

  // Fixes the set of dirty pages until clear(), unless that has been done already. A page that is written
  // after this is in the next set.
  void read();
  // After read(): answers[i] becomes whether page number `first_page` + i is dirty.
  void answer(std::uintptr_t first_page, std::span<std::uint64_t> entries, std::uint64_t if_dirty) const;
  // After read(): the dirty pages that are tracked, and what is not tracked but may be heap.
  template <class Visitor>
  void for_each_dirty(Visitor visit) const {
    for (const gcbarrier::address_range run : set_) {
      if (!test_hooks::drop_run()) visit(run);
    }
    for (const gcbarrier::address_range block : with_procedures_) visit(block);
    for (const memory& one : memories_) {
      if (!one.tracked || overlooked_) visit(one.range);
    }
  }
  // Forgets what was written up to now, or up to read() if that came before; begins to track new heap.
  void clear();
  // A new process, or files opened anew: what was read is stale.
  void forget_reading() { is_read_ = false; }

  // The end of a collection: makes memory that libgc is about to allocate from free to write, in runs, since
  // each page of it would cost a fault.
  void open_free_memory();

  // ---- counters ----
  std::uint64_t reads = 0;
  std::uint64_t clears = 0;
  std::uint64_t pages_dirty = 0;
  std::uint64_t pages_opened = 0;
  std::uint64_t problems = 0;
  [[nodiscard]] std::uint64_t pages_tracked() const;

 private:
  struct memory {
    gcbarrier::address_range range;
    bool tracked = false;
    std::uintptr_t fresh = range.begin;  // from here on, tracked since the last clearing
  };

  // A shorter run costs as much to open as the faults that it saves.
  static constexpr std::size_t shortest_opened = 4;

  // Between two ends of collections; not reached unless a program has taken the adapter's callback away.
  static constexpr std::size_t most_noted = 1 << 16;

  [[nodiscard]] bool holds_heap(gcbarrier::address_range range) const;
  bool track_new_heap();
  bool track(std::size_t index);
  void collect();
  void note(const heap_block& block);
  void open_free_blocks(gcbarrier::address_range range);
  void open(gcbarrier::address_range run);

  libgc_functions libgc_;
  tracker tracker_;
  mark_procedures procedures_;
  gcbarrier::kernel::mapped_array<memory> memories_;  // ordered by address; tracked neighbours are merged
  // Blocks whose objects have mark procedures: dirty without being written.
  gcbarrier::kernel::mapped_array<gcbarrier::address_range> with_procedures_;
  bool overlooked_ = false;  // there was no room for one of them: everything is dirty
  gcbarrier::dirty_set set_;
  // All that was written since the end of the last collection: what is free at the end of the next is there,
  // unless that marked the whole heap.
  gcbarrier::kernel::mapped_array<gcbarrier::address_range> written_;
  bool any_may_be_free_ = true;
  bool is_read_ = false;
};

}  // namespace bdwgc

#endif
