#include "dirty_pages.hpp"

#include <algorithm>

#include <gcbarrier/kernel/system_calls.hpp>

#include "heap_blocks.hpp"
#include "test_hooks.hpp"

namespace bdwgc {

using gcbarrier::address_range;

namespace {

// For one more element.
template <class T>
bool make_room(gcbarrier::kernel::mapped_array<T>& array) {
  return array.size() < array.capacity() || !array.reserve(2 * array.size() + 1);
}

}  // namespace

void dirty_pages::add_memory(address_range range) {
  // Where there is no room for it, it is never tracked, and so always dirty.
  if (!make_room(memories_)) return;
  std::size_t at = 0;
  while (at < memories_.size() && memories_[at].range.begin < range.begin) ++at;
  memories_.insert(at, {range});
}

void dirty_pages::read() {
  if (is_read_) return;
  collect();
  is_read_ = true;
  ++reads;
  pages_dirty += set_.bytes() / gcbarrier::kernel::page_size();
}

void dirty_pages::answer(std::uintptr_t first_page, std::span<std::uint64_t> entries,
                         std::uint64_t if_dirty) const {
  const std::size_t page = gcbarrier::kernel::page_size();
  const address_range asked{first_page * page, (first_page + entries.size()) * page};
  const auto fill = [&](address_range range, std::uint64_t value) {
    for (std::uintptr_t at = range.begin; at < range.end; at += page) {
      entries[(at - asked.begin) / page] = value;
    }
  };
  fill(asked, if_dirty);
  for (const memory& one : memories_) {
    if (!one.tracked || overlooked_ || !one.range.overlaps(asked)) continue;
    const address_range part = one.range.intersection(asked);
    fill(part, 0);
    for (const address_range run : set_.between(part.begin, part.end)) {
      if (!test_hooks::drop_run()) fill(run, if_dirty);
    }
  }
  for (const address_range block : with_procedures_) fill(block.intersection(asked), if_dirty);
}

void dirty_pages::clear() {
  ++clears;
  const bool was_read = is_read_;
  is_read_ = false;
  // Thus begins a collection of the whole heap.
  if (!was_read) any_may_be_free_ = true;
  const bool grown = track_new_heap();
  // Reading has protected everything again already.
  if (was_read && !grown) return;
  collect();
  // Not in the set that libgc got; the world is stopped, so these are at most writes of this very thread. The
  // fresh memory was all in that set.
  for (memory& one : memories_) {
    if (!one.tracked) continue;
    if (was_read) {
      for (const address_range run : set_.between(one.range.begin, one.fresh)) tracker_.retain(run);
    }
    one.fresh = one.range.end;
  }
}

void dirty_pages::collect() {
  set_ = tracker_.collect();
  if (tracker_.problem()) ++problems;
  for (const address_range run : set_) {
    if (make_room(written_)) written_.push_back(run);
  }
  if (!procedures_.any() || test_hooks::ignore_mark_procedures()) return;
  for (const address_range run : set_) {
    for_each_block(libgc_, run, [&](const heap_block& block) { note(block); });
  }
}

void dirty_pages::note(const heap_block& block) {
  if (block.free || !procedures_.has(block.kind)) return;
  if (!with_procedures_.empty() && with_procedures_.back().end == block.range.begin) {
    with_procedures_.back().end = block.range.end;
  } else if (with_procedures_.size() < most_noted && make_room(with_procedures_)) {
    with_procedures_.push_back(block.range);
  } else {
    overlooked_ = true;
  }
}

bool dirty_pages::holds_heap(address_range range) const {
  for (std::uintptr_t at = range.begin; at < range.end; at += block_size) {
    if (libgc_.is_heap_ptr(reinterpret_cast<void*>(at)) != 0) return true;
  }
  return false;
}

bool dirty_pages::track_new_heap() {
  bool grown = false;
  for (std::size_t i = 0; i < memories_.size(); ++i) {
    if (memories_[i].tracked || !holds_heap(memories_[i].range)) continue;
    if (!track(i)) {
      ++problems;
      continue;
    }
    grown = true;
    // Merged into the one before, as each arena costs two system calls per collection.
    if (i > 0 && memories_[i - 1].tracked && memories_[i - 1].range.end == memories_[i].range.begin) {
      memories_[i - 1].range.end = memories_[i].range.end;
      memories_.erase(i--);
    }
  }
  return grown;
}

bool dirty_pages::track(std::size_t index) {
  memory& one = memories_[index];
  if (index > 0 && memories_[index - 1].tracked && memories_[index - 1].range.end == one.range.begin) {
    const address_range whole{memories_[index - 1].range.begin, one.range.end};
    one.tracked = !tracker_.resize_arena(reinterpret_cast<void*>(whole.begin), whole.bytes());
  } else {
    one.tracked = !tracker_.add_arena(one.range);
  }
  return one.tracked;
}

void dirty_pages::open_free_memory() {
  // What has mark procedures is found anew, so that blocks which have changed hands are let go.
  with_procedures_.truncate(0);
  overlooked_ = false;
  if (any_may_be_free_ || (procedures_.any() && !test_hooks::ignore_mark_procedures())) {
    for (const memory& one : memories_) {
      if (one.tracked) open_free_blocks(one.range);
    }
  } else {
    for (const address_range run : written_) open_free_blocks(run);
  }
  any_may_be_free_ = false;
  written_.truncate(0);
}

void dirty_pages::open_free_blocks(address_range range) {
  const bool procedures = procedures_.any() && !test_hooks::ignore_mark_procedures();
  address_range run;
  for_each_block(libgc_, range, [&](const heap_block& block) {
    if (procedures) note(block);
    if (!block.free && !worth_opening(libgc_, block)) return;
    if (block.range.begin != run.end) {
      open(run.intersection(range));
      run.begin = block.range.begin;
    }
    run.end = block.range.end;
  });
  // A free run can cross from one of libgc's mappings into the next.
  open(run.intersection(range));
}

void dirty_pages::open(address_range run) {
  const std::size_t page = gcbarrier::kernel::page_size();
  const address_range inside{(run.begin + page - 1) & ~(page - 1), run.end & ~(page - 1)};
  if (inside.empty() || inside.bytes() < shortest_opened * page) return;
  if (tracker_.expect_writes(inside)) ++problems;
  pages_opened += inside.bytes() / page;
}

std::uint64_t dirty_pages::pages_tracked() const {
  return tracker_.tracked_bytes() / gcbarrier::kernel::page_size();
}

}  // namespace bdwgc
