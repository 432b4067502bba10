// A generational collector over any write barrier: copying nursery, mark-sweep old space, precise roots. What
// it does step by step stands in docs/heap.md; here is the order of the steps, each in a file of its own.
#ifndef GCHEAP_COLLECTOR_HPP
#define GCHEAP_COLLECTOR_HPP

#include <gcbarrier/address_range.hpp>
#include <gcbarrier/barrier/write_barrier.hpp>
#include <gcbarrier/error.hpp>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "collector_options.hpp"
#include "concurrent_full.hpp"
#include "evacuation.hpp"
#include "growth.hpp"
#include "mark.hpp"
#include "object.hpp"
#include "observer.hpp"
#include "references.hpp"
#include "remembered_set.hpp"
#include "roots.hpp"
#include "slot.hpp"
#include "space.hpp"
#include "statistics.hpp"
#include "stopwatch.hpp"
#include "torture.hpp"
#include "verify.hpp"

namespace gcheap {

// What a mark beside the mutator takes. A barrier that lists slots lists only those that point from old to
// young, and leaves out others that were written: an object that is moved from one old slot to another would
// be lost.
template <class B>
concept tells_all_writes = gcbarrier::write_barrier<B> && !gcbarrier::slot_barrier<B>;

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
    if (options.promotion_age > object::oldest_age) {
      return gcbarrier::error{"open a heap", EINVAL, {}, "the promotion age must be at most 15"};
    }
    constexpr bool two_parts = gcbarrier::two_part_barrier<Barrier>;
    if (two_parts && options.keep_mutated_apart) {
      return gcbarrier::error{
          "open a heap", EINVAL, {}, "keep_mutated_apart needs a barrier without parts of its own"};
    }
    auto memory =
        space::open(options.nursery_bytes, options.old_bytes, two_parts || options.keep_mutated_apart,
                    options.promotion_age == 0 ? 0 : options.survivor_bytes);
    if (!memory) return memory.error();
    if (options.keep_mutated_apart) (*memory)->old->keep_mutated_apart();
    auto barrier = make_barrier((*memory)->range(), (*memory)->young.range());
    if (!barrier) return barrier.error();
    std::unique_ptr<collector> made(new collector(options, std::move(*memory), std::move(*barrier)));
    if (options.conservative_stack) {
      if (const gcbarrier::error why = made->references_.ambiguous.add_this_stack()) return why;
    }
    if (options.concurrent_full) {
      if (const gcbarrier::error why = made->open_concurrent()) return why;
    }
    return made;
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
    if (bytes > simple_bytes_) return allocate_otherwise(kind, length, bytes);
    void* const fresh = space_->young.allocate(bytes);
    if (fresh == nullptr) return after_finalizers(allocate_after_collection(kind, length, bytes));
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
    // A plain store would do but for a marker that reads the slot.
    if constexpr (gcbarrier::plain_store_barrier<Barrier>) {
      set_slot(target.slot(), value);
    } else {
      barrier_.store(target.slot(), value);
    }
  }
  template <class T>
  void store(scattered_field<T>& target, T* value) {
    if constexpr (gcbarrier::two_part_barrier<Barrier>) {
      barrier_.store_scattered(target.slot(), value);
    } else {
      barrier_.store(target.slot(), value);
    }
  }

  void collect_minor() { collect_for_mutator(extent::minor); }
  // With the mutator stopped. One that goes on beside it is given up.
  void collect_full() { collect_for_mutator(extent::full); }

  // Begins a full collection beside the mutator, unless one goes on; each later minor collection takes it
  // further. The collector does it by itself when one is due. Needs the option concurrent_full.
  void begin_full() requires(tells_all_writes<Barrier>) { collect_for_mutator(extent::begin_full); }
  // Null without the option.
  [[nodiscard]] concurrent_full* concurrent() { return concurrent_.get(); }

  // Null: nobody. Whoever watches stays until then, or longer than this.
  void observe(observer* watching) { observer_ = watching; }

  // Handles: root<T>(heap.roots()), weak<T>(heap.weak_references()), pinned<T>(heap.pins()).
  [[nodiscard]] gcheap::roots& roots() { return roots_; }
  // More of the first, which outlive the collector or are removed before they end.
  void add_roots(gcheap::roots& more) { root_lists_.push_back(&more); }
  void remove_roots(gcheap::roots& more) { std::erase(root_lists_, &more); }
  [[nodiscard]] gcheap::weak_references& weak_references() { return references_.weak; }
  [[nodiscard]] gcheap::pins& pins() { return references_.pinned; }
  [[nodiscard]] gcheap::ambiguous_roots& ambiguous_roots() { return references_.ambiguous; }
  // Has `call` called with the object when nothing else leads to it any more; finalizers.hpp says when.
  template <class T>
  void finalize(T* o, std::function<void(T*)> call) {
    references_.finalizable.add(reinterpret_cast<object*>(o), [call = std::move(call)](object* dying) {
      call(reinterpret_cast<T*>(dying));
    });
  }

  // For mutators with allocation buffers: memory in the nursery, or null. What is left of a buffer becomes
  // free memory (object.hpp) before another is taken, and before each collection, which calls `call` first.
  [[nodiscard]] void* take_young(std::size_t bytes) { return space_->young.allocate(bytes); }
  void before_collections(std::function<void()> call) { before_collection_ = std::move(call); }

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
        evacuation_(space_->young, *space_->old, options.promotion_age),
        remembered_(barrier_, *space_, statistics_, options.verify),
        growth_(options.first_full_bytes, options.growth),
        torture_(options.torture),
        large_bytes_(std::min(std::size_t{32} << 10, options.nursery_bytes / 8)),
        simple_bytes_(torture_.is_on() ? 0 : large_bytes_) {
    space_->old->on_growth([this](gcbarrier::address_range fresh, std::size_t reserve) {
      if constexpr (gcbarrier::two_part_barrier<Barrier>) {
        if (space_->old->apart_range().contains(fresh)) return barrier_.add_scattered_arena(fresh);
      }
      return gcbarrier::add_with_reserve(barrier_, fresh, reserve);
    });
    if constexpr (requires { barrier_.expect_writes(gcbarrier::address_range{}); }) {
      space_->old->on_frees([this](gcbarrier::address_range range) { barrier_.expect_writes(range); });
    }
  }

  enum class extent : std::uint8_t { minor, begin_full, full };

  gcbarrier::error open_concurrent() {
    if constexpr (tells_all_writes<Barrier>) {
      auto opened = concurrent_full::open(*space_, barrier_.granule(), statistics_);
      if (!opened) return opened.error();
      concurrent_ = std::move(*opened);
      return {};
    } else {
      return {
          "collector_options::concurrent_full",
          ENOTSUP,
          {},
          "this barrier lists slots that point from old to young only; use one that tells what was written"};
    }
  }

  object* allocate_after_collection(const type& kind, std::size_t length, std::size_t bytes) {
    if (object* const fresh = allocate_beside_crowd(kind, length, bytes)) return fresh;
    collect(extent::minor);
    if (void* const fresh = space_->young.allocate(bytes)) return initialised(fresh, kind, length, bytes);
    crowd_allowance_ = options_.nursery_bytes;
    return allocate_beside_crowd(kind, length, bytes);
  }

  // What stays in the nursery can fill it. Then as much is born old as would otherwise be born there, before
  // the next collection. Null: not now.
  object* allocate_beside_crowd(const type& kind, std::size_t length, std::size_t bytes) {
    if (bytes > crowd_allowance_) return nullptr;
    crowd_allowance_ -= bytes;
    return allocate_old(kind, length, bytes);
  }

  object* allocate_old(const type& kind, std::size_t length, std::size_t bytes) {
    object* const fresh = space_->old->allocate_zeroed(kind, bytes);
    if (fresh == nullptr) return nullptr;
    with_header(fresh, kind, length);
    if (concurrent_) concurrent_->born(fresh);
    return fresh;
  }

  object* allocate_otherwise(const type& kind, std::size_t length, std::size_t bytes) {
    if (torture_.is_on()) {
      const torture::collection due = torture_.next();
      if (due != torture::collection::none) {
        collect(due == torture::collection::full ? extent::full : extent::minor);
      }
    }
    if (bytes > large_bytes_) return after_finalizers(allocate_large(kind, length, bytes));
    if (void* const fresh = space_->young.allocate(bytes)) {
      return after_finalizers(initialised(fresh, kind, length, bytes));
    }
    return after_finalizers(allocate_after_collection(kind, length, bytes));
  }

  // A collection on the way may have found something to finalize.
  object* after_finalizers(object* fresh) {
    if (!references_.finalizable.due()) return fresh;
    const root<object> kept(roots_, fresh);
    references_.finalizable.run(roots_);
    return kept;
  }

  void collect_for_mutator(extent wanted) {
    collect(wanted);
    references_.finalizable.run(roots_);
  }

  // Large objects are born old, as copying them costs more than it saves.
  object* allocate_large(const type& kind, std::size_t length, std::size_t bytes) {
    if (bytes > space_->old->range().bytes()) return nullptr;
    bool collected = false;
    if (full_is_due(bytes)) {
      collect(concurrent_ ? extent::begin_full : extent::full);
      collected = !concurrent_;
    }
    object* const fresh = allocate_old(kind, length, bytes);
    if (fresh != nullptr || collected) return fresh;
    collect(extent::full);
    return allocate_old(kind, length, bytes);
  }

  // One that goes on has to end first.
  [[nodiscard]] bool full_is_due(std::size_t more = 0) const {
    return growth_.is_full_due(space_->old->live_bytes() + more) && (!concurrent_ || concurrent_->idle());
  }

  // The whole of a collection, with the mutator stopped, which it is as it called. The last step is rearm():
  // all that the collector and its allocator write before it is not remembered.
  void collect(extent wanted) {
    std::uint64_t start = now();
    if (before_collection_) before_collection_();
    crowd_allowance_ = 0;
    const gcbarrier::dirty_set written = remembered_.find();
    if (concurrent_) concurrent_->written(written);
    if (observer_ != nullptr) {
      start += observed([&] { observer_->found(barrier_.written(), remembered_.slots()); });
    }
    evacuation_.begin();
    references_.pin(*space_, evacuation_);
    evacuate();
    if (!evacuation_.complete()) {
      wanted = extent::full;
    } else if (wanted == extent::minor && full_is_due()) {
      wanted = concurrent_ ? extent::begin_full : extent::full;
    }
    bool full = wanted == extent::full;
    if (full) {
      mark_and_sweep();
      if (!evacuation_.complete()) evacuate_again();
    } else if (concurrent_) {
      full = go_on_beside(wanted == extent::begin_full);
    }
    remembered_.retain(evacuation_.young_slots());
    count_evacuated();
    evacuation_.end();
    if (options_.verify) statistics_.verify_ns += timed([&] { verify_pointers(); });
    if (mutated_types* const mutated = space_->old->mutated()) {
      mutated->decide();
      if (full) mutated->fade();
    }
    if (full && options_.huge_page_ns != 0) move_to_huge_pages();
    statistics_.rearm_ns += timed([&] { barrier_.rearm(); });
    const std::uint64_t pause = now() - start;
    statistics_.pauses.push_back({start, pause, full});
    if (observer_ != nullptr) {
      observed([&] { observer_->collected(full, pause, statistics_.observer_ns); });
    }
  }

  // Before rearm(), which forgets what is written meanwhile.
  void move_to_huge_pages() {
    if constexpr (requires { barrier_.collapse_cold({}); }) {
      statistics_.huge_page_ns += timed(
          [&] { statistics_.huge_pages += barrier_.collapse_cold({.nanoseconds = options_.huge_page_ns}); });
    }
  }

  template <class F>
  std::uint64_t observed(F f) {
    const std::uint64_t spent = timed(f);
    statistics_.observer_ns += spent;
    return spent;
  }

  // This pause's part of a full collection beside the mutator. Whether it ended the marking.
  bool go_on_beside(bool begin) {
    concurrent_->promoted(promoted_);
    if (concurrent_->ready()) {
      end_marking_beside();
      return true;
    }
    if (concurrent_->idle()) {
      if (begin) concurrent_->begin(root_values());
      return false;
    }
    concurrent_->go_on(evacuation_.promoted().bytes);
    if (concurrent_->idle()) growth_.full_collection_left(space_->old->live_bytes());
    return false;
  }

  void end_marking_beside() {
    concurrent_->finish(root_values());
    marker marks(space_->marks, space_->range());
    references_.mark(marks);
    marks.drain();
    if (options_.verify) statistics_.verify_ns += timed([&] { verify_marks(); });
    forget_unmarked(marks);
    space_->marks.clear_all(space_->young.range());
    remembered_.forget_dead(evacuation_.young_slots());
  }

  template <class F>
  void each_root(F f) {
    for (gcheap::roots* const list : root_lists_) list->each(f);
  }
  std::span<void* const> root_values() {
    root_values_.clear();
    each_root([&](void** slot) { root_values_.push_back(*slot); });
    return root_values_;
  }

  // An unmarked object is counted, and lives on, like a missed slot.
  void verify_marks() {
    auto reachable = bitmap::make(space_->range());
    if (!reachable) return;
    marker again(*reachable, space_->range());
    each_root([&](void** slot) { again.mark(*slot); });
    references_.mark(again);
    again.drain();
    find_unmarked(*space_, *reachable, [&](object* o) {
      ++statistics_.unmarked_objects;
      space_->marks.set(o);
    });
    ++statistics_.verified_marks;
  }

  void evacuate() {
    promoted_.clear();
    evacuation_.list_promoted(concurrent_ && !concurrent_->idle() ? &promoted_ : nullptr);
    statistics_.promote_ns += timed([&] {
      each_root([&](void** slot) { evacuation_.update(slot); });
      for (void** const slot : remembered_.slots()) evacuation_.update(slot);
      evacuation_.drain();
      references_.update(*space_, evacuation_);
    });
  }

  // After a sweep made room.
  void evacuate_again() {
    remembered_.assign(evacuation_.young_slots());
    evacuation_.begin_again();
    evacuate();
  }

  void count_evacuated() {
    statistics_.promoted_bytes += evacuation_.promoted().bytes;
    statistics_.promoted_objects += evacuation_.promoted().objects;
    statistics_.survivor_bytes += evacuation_.survived().bytes;
    statistics_.survivor_objects += evacuation_.survived().objects;
    statistics_.early_objects += evacuation_.overflowed().objects;
    statistics_.pinned_objects += evacuation_.pinned();
  }

  void verify_pointers() {
    const object_check check(*space_);
    const auto count = [&](const void* target) {
      statistics_.dangling_slots += check.passes(target) ? 0 : 1;
    };
    statistics_.dangling_slots += check.dangling_slots();
    each_root([&](void** slot) { count(*slot); });
    references_.each([&](void** slot) { count(*slot); });
    references_.ambiguous.each(count);
  }

  void mark_and_sweep() {
    if (concurrent_) concurrent_->abandon();
    statistics_.sweep_ns += timed([&] {
      marker marks(space_->marks, space_->range());
      each_root([&](void** slot) { marks.mark(*slot); });
      references_.mark(marks);
      marks.drain();
      forget_unmarked(marks);
      statistics_.swept_bytes += space_->old->sweep(space_->marks);
      space_->marks.clear_all(space_->young.range());
    });
    remembered_.forget_dead(evacuation_.young_slots());
    growth_.full_collection_left(space_->old->live_bytes());
  }

  // When the marks are complete.
  void forget_unmarked(marker& marks) {
    references_.forget_unmarked(*space_, marks);
    evacuation_.forget_unmarked(space_->marks);
  }

  collector_options options_;
  std::unique_ptr<space> space_;
  Barrier barrier_;  // after the space: gone before its memory is
  gcheap::roots roots_;
  std::vector<gcheap::roots*> root_lists_{&roots_};
  std::function<void()> before_collection_;
  references references_;
  evacuation evacuation_;
  gcheap::statistics statistics_;
  observer* observer_ = nullptr;
  remembered_set<Barrier> remembered_;
  std::unique_ptr<concurrent_full> concurrent_;  // null without the option
  std::vector<object*> promoted_;                // by this collection, while that wants to know
  std::vector<void*> root_values_;
  growth_policy growth_;
  torture torture_;
  std::size_t large_bytes_;
  std::size_t crowd_allowance_ = 0;
  std::size_t simple_bytes_;  // up to which an allocation needs nothing but room in the nursery
};

}  // namespace gcheap

#endif
