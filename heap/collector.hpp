// A generational collector over any write barrier: bump nursery, mark-sweep old space, precise roots.
#ifndef GCHEAP_COLLECTOR_HPP
#define GCHEAP_COLLECTOR_HPP

#include <gcbarrier/address_range.hpp>
#include <gcbarrier/barrier/write_barrier.hpp>
#include <gcbarrier/error.hpp>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <utility>

#include "collector_options.hpp"
#include "evacuation.hpp"
#include "mark.hpp"
#include "object.hpp"
#include "observer.hpp"
#include "remembered_set.hpp"
#include "roots.hpp"
#include "space.hpp"
#include "statistics.hpp"
#include "stopwatch.hpp"

namespace gcheap {

// One mutator thread: the one that opened it. A pointer to an object is good until the next allocation or
// collection unless it is held by a root. Objects come zeroed; pointer fields hold null or objects of this
// heap.
template <gcbarrier::write_barrier Barrier>
class collector {
 public:
  // `make_barrier(heap, young)` returns result<Barrier>; the first range holds every slot that will ever be
  // stored to, the second all young objects.
  template <class Factory>
  static gcbarrier::result<std::unique_ptr<collector>> open(const collector_options& options,
                                                            Factory make_barrier) {
    auto memory = space::open(options.nursery_bytes, options.old_bytes, gcbarrier::two_part_barrier<Barrier>);
    if (!memory) return memory.error();
    auto barrier = make_barrier((*memory)->range(), (*memory)->young.range());
    if (!barrier) return barrier.error();
    return std::unique_ptr<collector>(new collector(options, std::move(*memory), std::move(*barrier)));
  }

  // A new T, whose T::kind is its type; `length` elements where that has a tail. Null when the heap is out of
  // memory, also after a full collection: the heap is intact, and there may be room again once roots are
  // dropped.
  template <class T>
  [[nodiscard]] T* allocate(std::size_t length = 0) {
    return reinterpret_cast<T*>(allocate(T::kind, length));
  }
  [[nodiscard]] object* allocate(const type& kind, std::size_t length = 0) {
    const std::size_t bytes = object_bytes(kind, length);
    if (bytes > large_bytes_) return allocate_large(kind, length, bytes);
    void* const fresh = space_->young.allocate(bytes);
    if (fresh == nullptr) return allocate_after_collection(kind, length, bytes);
    return initialised(fresh, kind, length, bytes);
  }

  // What made allocate() return null.
  [[nodiscard]] gcbarrier::error out_of_memory() const {
    if (space_->old->growth_error()) return space_->old->growth_error();
    return {"allocate", ENOMEM, space_->range(), "the old space is full: drop roots, or open a larger heap"};
  }

  // The only way to write a pointer into an object.
  template <class T>
  void store(field<T>& target, T* value) {
    barrier_.store(target.slot(), value);
  }
  template <class T>
  void store(scattered_field<T>& target, T* value) {
    if constexpr (gcbarrier::two_part_barrier<Barrier>) {
      barrier_.store_scattered(target.slot(), value);
    } else {
      barrier_.store(target.slot(), value);
    }
  }

  void collect_minor() { collect(false); }
  void collect_full() { collect(true); }

  // Null: nobody. Whoever watches stays until then, or longer than this.
  void observe(observer* watching) { observer_ = watching; }

  [[nodiscard]] gcheap::roots& roots() { return roots_; }
  [[nodiscard]] const gcheap::statistics& statistics() const { return statistics_; }
  [[nodiscard]] std::size_t old_live_bytes() const { return space_->old->live_bytes(); }
  [[nodiscard]] std::size_t old_held_bytes() const { return space_->old->held_bytes(); }
  [[nodiscard]] gcbarrier::address_range old_range() const { return space_->old->range(); }
  [[nodiscard]] Barrier& barrier() { return barrier_; }
  [[nodiscard]] bool is_young(const void* p) const { return space_->young.contains(p); }

 private:
  collector(const collector_options& options, std::unique_ptr<space> memory, Barrier barrier)
      : options_(options),
        space_(std::move(memory)),
        barrier_(std::move(barrier)),
        evacuation_(space_->young, *space_->old),
        remembered_(barrier_, *space_, statistics_, options.verify),
        next_full_bytes_(options.first_full_bytes),
        large_bytes_(std::min(std::size_t{32} << 10, options.nursery_bytes / 8)) {
    space_->old->on_growth([this](gcbarrier::address_range fresh) {
      if constexpr (gcbarrier::two_part_barrier<Barrier>) {
        if (space_->old->scattered_range().contains(fresh)) return barrier_.add_scattered_arena(fresh);
      }
      return barrier_.add_arena(fresh);
    });
  }

  static object* initialised(void* fresh, const type& kind, std::size_t length, std::size_t bytes) {
    std::memset(fresh, 0, bytes);
    return with_header(static_cast<object*>(fresh), kind, length);
  }
  static object* with_header(object* o, const type& kind, std::size_t length) {
    o->set_kind(kind);
    if (kind.variable != tail::none) reinterpret_cast<variable_object*>(o)->length = length;
    return o;
  }

  object* allocate_after_collection(const type& kind, std::size_t length, std::size_t bytes) {
    collect(false);
    void* const fresh = space_->young.allocate(bytes);
    return fresh == nullptr ? nullptr : initialised(fresh, kind, length, bytes);
  }

  // Large objects are born old, as copying them costs more than it saves.
  object* allocate_large(const type& kind, std::size_t length, std::size_t bytes) {
    if (bytes > space_->old->range().bytes()) return nullptr;
    bool collected = false;
    if (space_->old->live_bytes() + bytes > next_full_bytes_) {
      collect(true);
      collected = true;
    }
    object* fresh = space_->old->allocate_zeroed(kind, bytes);
    if (fresh == nullptr && !collected) {
      collect(true);
      fresh = space_->old->allocate_zeroed(kind, bytes);
    }
    return fresh == nullptr ? nullptr : with_header(fresh, kind, length);
  }

  // The whole of a collection, with the mutator stopped, which it is as it called. The last step is rearm():
  // all that the collector and its allocator write before it is not remembered.
  void collect(bool full) {
    std::uint64_t start = now();
    remembered_.find();
    if (observer_ != nullptr) {
      start += observed([&] { observer_->found(barrier_.written(), remembered_.slots()); });
    }
    evacuate();
    full = full || !evacuation_.complete() || space_->old->live_bytes() > next_full_bytes_;
    if (full) {
      mark_and_sweep();
      if (!evacuation_.complete()) evacuate_again();
    }
    remembered_.retain(evacuation_.young_slots());
    if (evacuation_.complete()) space_->young.reset();
    statistics_.rearm_ns += timed([&] { barrier_.rearm(); });
    const std::uint64_t pause = now() - start;
    statistics_.pauses.push_back({start, pause, full});
    if (observer_ != nullptr) {
      observed([&] { observer_->collected(full, pause, statistics_.observer_ns); });
    }
  }

  template <class F>
  std::uint64_t observed(F f) {
    const std::uint64_t spent = timed(f);
    statistics_.observer_ns += spent;
    return spent;
  }

  void evacuate() {
    statistics_.promote_ns += timed([&] {
      evacuation_.begin();
      roots_.each([&](void** slot) { evacuation_.update(slot); });
      for (void** const slot : remembered_.slots()) evacuation_.update(slot);
      evacuation_.drain();
    });
    statistics_.promoted_bytes += evacuation_.promoted_bytes();
    statistics_.promoted_objects += evacuation_.promoted_objects();
  }

  // After a sweep made room. Of the slots that still pointed to the nursery, those of dead objects are gone.
  void evacuate_again() {
    remembered_.assign_live(evacuation_.young_slots());
    evacuate();
  }

  void mark_and_sweep() {
    statistics_.sweep_ns += timed([&] {
      marker(space_->marks, space_->range()).mark_from(roots_);
      statistics_.swept_bytes += space_->old->sweep(space_->marks);
      if (!evacuation_.complete()) space_->marks.clear_all(space_->young.range());
    });
    const auto due =
        static_cast<std::size_t>(static_cast<double>(space_->old->live_bytes()) * options_.growth);
    next_full_bytes_ = std::max(options_.first_full_bytes, due);
  }

  collector_options options_;
  std::unique_ptr<space> space_;
  Barrier barrier_;  // after the space: gone before its memory is
  gcheap::roots roots_;
  evacuation evacuation_;
  gcheap::statistics statistics_;
  observer* observer_ = nullptr;
  remembered_set<Barrier> remembered_;
  std::size_t next_full_bytes_;
  std::size_t large_bytes_;
};

}  // namespace gcheap

#endif
