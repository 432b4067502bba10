// Full collections beside the mutator: nothing that lives is lost, however pointers move meanwhile, and what
// died is freed.
#include <heap/concurrent_full.hpp>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>

#include "dropping_a_page.hpp"
#include "shadow.hpp"
#include "support.hpp"

namespace {

using gcheap::object;
using gcheap::root;
using heap_test::blob;
using heap_test::dropping_a_page;
using heap_test::new_node;
using heap_test::node;
using heap_test::node_array;
using heap_test::open_heap;

// All barriers but those that list slots.
#define BARRIERS                                                                   \
  gcbarrier::no_barrier, gcbarrier::card_table, gcbarrier::conditional_card_table, \
      gcheap::uffd_async_barrier, gcheap::hybrid_barrier, gcheap::mprotect_barrier

gcheap::collector_options concurrent_heap() {
  gcheap::collector_options options = heap_test::small_heap();
  options.concurrent_full = true;
  return options;
}

// Minor collections, until the full collection that goes on is done.
template <class Heap>
void end_full(Heap& heap) {
  for (int i = 0; i < 50000 && !heap.concurrent()->idle(); ++i) {
    heap.collect_minor();
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
  REQUIRE(heap.concurrent()->idle());
}

// Until the marker has little left.
template <class Heap>
void wait_until_ready(Heap& heap) {
  for (int i = 0; i < 50000 && !heap.concurrent()->ready(); ++i) {
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
  REQUIRE(heap.concurrent()->ready());
}

TEST_CASE_TEMPLATE("concurrent full: what died before it is freed, what lives is not", Barrier, BARRIERS) {
  auto heap = open_heap<Barrier>(concurrent_heap());
  root<node> kept(heap->roots(), new_node(*heap, 1));
  node* const child = new_node(*heap, 2);
  heap->store(kept->left, child);
  root<node> dropped(heap->roots(), new_node(*heap, 3));
  heap->collect_minor();
  CHECK(heap->old_live_bytes() == 3 * sizeof(node));
  dropped = nullptr;
  for (std::uint64_t round = 1; round <= 3; ++round) {
    heap->begin_full();
    CHECK_FALSE(heap->concurrent()->idle());
    end_full(*heap);
    CHECK(heap->old_live_bytes() == 2 * sizeof(node));
    CHECK(kept->left->number == 2);
    CHECK(heap->statistics().concurrent_marks == round);
    CHECK(heap->statistics().full_pauses().size() == round);
  }
  CHECK(heap->statistics().verified_marks == 3);
  CHECK(heap->statistics().unmarked_objects == 0);
}

TEST_CASE_TEMPLATE("concurrent full: any mutation gives the graph that it would without a collector", Barrier,
                   BARRIERS) {
  gcheap::collector_options options = concurrent_heap();
  SUBCASE("promoted at once") {}
  SUBCASE("ageing") {
    options.promotion_age = 2;
    options.survivor_bytes = std::size_t{64} << 10;
  }
  options.first_full_bytes = std::size_t{1} << 20;
  options.growth = 1.1;
  auto heap = open_heap<Barrier>(options);
  heap_test::shadowed_graph graph(*heap, 20000, 6);
  for (int step = 0; step < 300000; ++step) {
    graph.change();
    // There is no hurry: the marker gets its share of a busy machine.
    if (step % 1000 == 0) std::this_thread::yield();
    if (step % 100000 == 99999) graph.check();
  }
  end_full(*heap);
  graph.check();
  const gcheap::statistics& s = heap->statistics();
  CHECK(s.concurrent_marks > 1);
  CHECK(s.verified_marks == s.concurrent_marks);
  CHECK(s.unmarked_objects == 0);
  CHECK(s.missed_slots == 0);
  CHECK(s.dangling_slots == 0);
  CHECK(s.swept_bytes > 0);
  heap->collect_full();
  graph.check();
}

// Stops the marker before it scans the second of two objects, until it is released.
class second_scan {
 public:
  second_scan(gcheap::concurrent_marker& marker, const object* one, const object* other)
      : one_(one), other_(other) {
    marker.on_scan([this](const object* o) {
      if (o != one_ && o != other_) return;
      std::unique_lock hold(lock_);
      if (first_ == nullptr) {
        first_ = o;
        return;
      }
      held_ = true;
      changed_.notify_all();
      changed_.wait_for(hold, limit, [this] { return !held_; });
    });
  }

  // Waits until it is held. The object that it has scanned.
  const object* scanned() {
    std::unique_lock hold(lock_);
    REQUIRE(changed_.wait_for(hold, limit, [this] { return held_; }));
    return first_;
  }
  void release() {
    {
      const std::lock_guard hold(lock_);
      held_ = false;
    }
    changed_.notify_all();
  }

 private:
  static constexpr std::chrono::seconds limit{60};
  const object* const one_;
  const object* const other_;
  std::mutex lock_;
  std::condition_variable changed_;
  const object* first_ = nullptr;
  bool held_ = false;
};

enum class refuge { scanned_object, root, young_object };

// The trap that every concurrent marker has to avoid: of two old objects one is scanned, and the only pointer
// to a third moves from the other into it, or to where the marker does not look. Returns how many objects the
// mark lacked. `drop` is called with the slot that the pointer moved to before each of the two collections
// that follow: the first while the marker is held, the other ends the mark. `index`: of that slot in its
// array, whose header is on another page than the last one's.
template <class Heap, class Drop>
std::uint64_t lost_in_trap(Heap& heap, refuge where, bool collect_meanwhile, Drop drop,
                           std::size_t index = 1) {
  // Arrays of 8 KB, so that no page is shared.
  root<node_array> one(heap.roots(), heap.template allocate<node_array>(1000));
  root<node_array> other(heap.roots(), heap.template allocate<node_array>(1000));
  root<node> stack(heap.roots());
  for (node_array* const holder : {one.get(), other.get()}) {
    node* const only = new_node(heap, 42);
    heap.store((*holder)[0], only);
  }
  heap.collect_minor();
  second_scan held(heap.concurrent()->marker(), &one->header.header, &other->header.header);
  heap.begin_full();
  const bool one_first = held.scanned() == &one->header.header;
  node_array& scanned = one_first ? *one : *other;
  node_array& unscanned = one_first ? *other : *one;
  if (where == refuge::scanned_object) heap.store(scanned[index], unscanned[0].get());
  if (where == refuge::root) stack = unscanned[0];
  if (where == refuge::young_object) {
    stack = new_node(heap, 43);
    heap.store(stack->left, unscanned[0].get());
  }
  heap.store(unscanned[0], static_cast<node*>(nullptr));
  if (collect_meanwhile) {
    drop(scanned[index].slot(), 0);
    heap.collect_minor();
  }
  held.release();
  wait_until_ready(heap);
  drop(scanned[index].slot(), 1);
  heap.collect_minor();
  drop(nullptr, 2);
  REQUIRE(heap.statistics().verified_marks == 1);
  end_full(heap);
  heap.concurrent()->marker().on_scan({});
  // Over what was freed, if it was.
  for (int i = 0; i < 1000; ++i) {
    node* const fresh = new_node(heap, 7);
    heap.store((*one)[100 + i % 800], fresh);
  }
  heap.collect_minor();
  const node* const survivor = where == refuge::scanned_object ? scanned[index].get()
                               : where == refuge::root         ? stack.get()
                                                               : stack->left.get();
  CHECK(survivor->number == 42);
  return heap.statistics().unmarked_objects;
}

TEST_CASE_TEMPLATE("concurrent full: the only pointer to an object moves behind the marker's back", Barrier,
                   BARRIERS) {
  for (const refuge where : {refuge::scanned_object, refuge::root, refuge::young_object}) {
    for (const bool collect_meanwhile : {false, true}) {
      CAPTURE(static_cast<int>(where));
      CAPTURE(collect_meanwhile);
      auto heap = open_heap<Barrier>(concurrent_heap());
      CHECK(lost_in_trap(*heap, where, collect_meanwhile, [](const void*, int) {}) == 0);
    }
  }
  // What was written lies in an object that begins on a page before.
  auto heap = open_heap<Barrier>(concurrent_heap());
  CHECK(lost_in_trap(
            *heap, refuge::scanned_object, false, [](const void*, int) {}, 999) == 0);
}

// Negative controls: the mark needs the set that a minor collection took meanwhile, and the one at its end.
TEST_CASE_TEMPLATE("concurrent full: a page that is left out of a set loses the object", Barrier,
                   gcbarrier::card_table, gcbarrier::conditional_card_table, gcheap::uffd_async_barrier,
                   gcheap::hybrid_barrier, gcheap::mprotect_barrier) {
  using dropping = dropping_a_page<Barrier>;
  for (const int dropped_set : {0, 1}) {
    CAPTURE(dropped_set);
    dropping::dropped = nullptr;
    auto heap = open_heap<dropping>(concurrent_heap());
    const auto drop = [&](const void* slot, int set) {
      dropping::dropped = set == dropped_set ? slot : nullptr;
    };
    CHECK(lost_in_trap(*heap, refuge::scanned_object, dropped_set == 0, drop) == 1);
  }
}

TEST_CASE_TEMPLATE("concurrent full: large objects and new ones are safe while it marks and while it sweeps",
                   Barrier, BARRIERS) {
  gcheap::collector_options options = concurrent_heap();
  options.old_bytes = std::size_t{128} << 20;
  auto heap = open_heap<Barrier>(options);
  root<node_array> all(heap->roots(), heap->template allocate<node_array>(20000));
  for (std::uint64_t round = 0; round < 3; ++round) {
    CAPTURE(round);
    // Enough garbage that the sweep takes several pauses.
    root<node> garbage(heap->roots());
    for (std::uint64_t i = 0; i < 100000; ++i) {
      node* const fresh = new_node(*heap, i);
      heap->store(fresh->left, garbage.get());
      garbage = fresh;
    }
    heap->collect_minor();
    garbage = nullptr;
    const auto add_some = [&](std::uint64_t first) {
      for (std::uint64_t i = first; i < first + 100; ++i) {
        auto* const large = heap->template allocate<node_array>(10000);
        heap->store((*all)[i], reinterpret_cast<node*>(large));  // any object will do
        node* const small = new_node(*heap, i);
        heap->store((*reinterpret_cast<node_array*>((*all)[i].get()))[9999], small);
        if (i % 10 == 0) heap->collect_minor();
      }
    };
    heap->begin_full();
    add_some(0);
    end_full(*heap);
    heap->begin_full();
    add_some(100);
    end_full(*heap);
    for (std::uint64_t i = 0; i < 200; ++i) {
      auto& large = *reinterpret_cast<node_array*>((*all)[i].get());
      REQUIRE(large.header.length == 10000);
      REQUIRE(large[0] == nullptr);
      REQUIRE(large[9999]->number == i);
    }
  }
  CHECK(heap->statistics().swept_bytes > 3 * 100000 * sizeof(node));
  CHECK(heap->statistics().unmarked_objects == 0);
  CHECK(heap->statistics().missed_slots == 0);
}

TEST_CASE_TEMPLATE("concurrent full: a full collection in the midst of it begins anew and frees everything",
                   Barrier, BARRIERS) {
  auto heap = open_heap<Barrier>(concurrent_heap());
  root<node_array> kept(heap->roots(), heap->template allocate<node_array>(1000));
  for (int round = 0; round < 20; ++round) {
    for (std::size_t i = 0; i < 1000; ++i) {
      node* const fresh = new_node(*heap, i);
      heap->store((*kept)[i], fresh);
    }
    heap->begin_full();
    for (int more = 0; more < round % 4; ++more) heap->collect_minor();
    heap->collect_full();
    CHECK(heap->concurrent()->idle());
    REQUIRE(heap->old_live_bytes() == 1000 * sizeof(node) + gcheap::bytes_of(&kept->header.header));
    for (std::size_t i = 0; i < 1000; ++i) REQUIRE((*kept)[i]->number == i);
  }
  CHECK(heap->statistics().missed_slots == 0);
}

TEST_CASE("concurrent full: what a mark that is given up had still to scan is forgotten with it") {
  auto heap = open_heap<gcbarrier::card_table>(concurrent_heap());
  root<node> holder(heap->roots(), new_node(*heap, 1));
  node* const child = new_node(*heap, 2);
  heap->store(holder->left, child);
  heap->collect_minor();
  gcheap::concurrent_marker& marker = heap->concurrent()->marker();
  // Slow enough to be given up before it comes to the child.
  marker.on_scan([](const object*) { std::this_thread::sleep_for(std::chrono::milliseconds(200)); });
  heap->begin_full();
  holder = nullptr;
  heap->collect_full();
  REQUIRE(heap->old_live_bytes() == 0);

  std::atomic<int> scans{0};
  marker.on_scan([&scans](const object*) { ++scans; });
  root<node> kept(heap->roots(), new_node(*heap, 3));
  heap->collect_minor();
  heap->begin_full();
  end_full(*heap);
  CHECK(scans == 1);
  marker.on_scan({});
}

TEST_CASE_TEMPLATE(
    "concurrent full: a heap that runs full while it marks is collected with the mutator stopped", Barrier,
    BARRIERS) {
  gcheap::collector_options options = concurrent_heap();
  options.old_bytes = gcheap::arena_step;
  auto heap = open_heap<Barrier>(options);
  root<node> list(heap->roots());
  for (int round = 0; round < 3; ++round) {
    std::uint64_t count = 0;
    for (;; ++count) {
      if (count == 3000) heap->begin_full();
      root<blob> data(heap->roots(), heap->template allocate<blob>(4000));
      node* const head = data == nullptr ? nullptr : heap->template allocate<node>();
      if (head == nullptr) break;
      head->number = count;
      heap->store(head->left, list.get());
      heap->store(head->right, reinterpret_cast<node*>(data.get()));  // any object will do
      list = head;
    }
    REQUIRE(count > 6000);
    CHECK(heap->out_of_memory().code == ENOMEM);
    for (const node* n = list; n != nullptr; n = n->left) REQUIRE(n->number == --count);
    list = nullptr;
  }
  CHECK(heap->statistics().missed_slots == 0);
  CHECK(heap->statistics().unmarked_objects == 0);
}

TEST_CASE_TEMPLATE("concurrent full: weak references, finalizers and pins know what died", Barrier,
                   BARRIERS) {
  auto heap = open_heap<Barrier>(concurrent_heap());
  gcheap::weak<node> to_dead(heap->weak_references(), new_node(*heap, 1));
  gcheap::weak<node> to_live(heap->weak_references(), new_node(*heap, 2));
  root<node> live(heap->roots(), to_live.get());
  root<node> dead(heap->roots(), to_dead.get());
  gcheap::pinned<node> pinned(heap->pins(), new_node(*heap, 3));
  node* const led_to = new_node(*heap, 6);
  heap->store(pinned->left, led_to);
  std::uint64_t finalized = 0;
  {
    root<node> dying(heap->roots(), new_node(*heap, 4));
    node* const child = new_node(*heap, 5);
    heap->store(dying->left, child);
    heap->finalize(dying.get(), std::function<void(node*)>([&](node* o) { finalized = o->left->number; }));
    heap->collect_minor();
  }
  dead = nullptr;
  heap->begin_full();
  end_full(*heap);
  CHECK(to_dead.get() == nullptr);
  REQUIRE(to_live.get() == live.get());
  CHECK(live->number == 2);
  CHECK(pinned->number == 3);
  CHECK(pinned->left->number == 6);
  CHECK(finalized == 5);
  CHECK(heap->statistics().unmarked_objects == 0);
  CHECK(heap->statistics().dangling_slots == 0);
}

// Takes two minor collections, so that what is young ages no more than that.
template <class Heap>
void full_up_to_sweep(Heap& heap) {
  const std::uint64_t before = heap.statistics().concurrent_marks;
  heap.begin_full();
  wait_until_ready(heap);
  heap.collect_minor();
  REQUIRE(heap.statistics().concurrent_marks == before + 1);
}

TEST_CASE("concurrent full: a young object is marked anew each time, and what only it leads to lives") {
  gcheap::collector_options options = concurrent_heap();
  options.promotion_age = 15;
  options.survivor_bytes = std::size_t{64} << 10;
  options.verify = false;  // the verification clears the marks of young objects
  auto heap = open_heap<gcbarrier::card_table>(options);
  for (int round = 0; round < 4; ++round) {
    root<node> young(heap->roots(), new_node(*heap, 1));
    auto* const large = heap->allocate<node_array>(10000);  // born old
    heap->store(young->left, reinterpret_cast<node*>(large));
    full_up_to_sweep(*heap);
    end_full(*heap);
    REQUIRE(heap->old_live_bytes() == gcheap::bytes_of(&large->header.header));
  }
}

TEST_CASE("concurrent full: a dead object that is not swept yet keeps nothing alive") {
  gcheap::collector_options options = concurrent_heap();
  options.promotion_age = 15;
  options.survivor_bytes = std::size_t{64} << 10;
  auto heap = open_heap<gcbarrier::no_barrier>(options);  // which searches everything
  {
    const root<node_array> holder(heap->roots(), heap->allocate<node_array>(10000));  // born old
    node* const young = new_node(*heap, 1);
    heap->store((*holder)[0], young);
  }
  full_up_to_sweep(*heap);
  REQUIRE_FALSE(heap->concurrent()->idle());
  const std::uint64_t survivors = heap->statistics().survivor_objects;
  CHECK(survivors > 0);
  heap->collect_minor();
  CHECK(heap->statistics().survivor_objects == survivors);
}

TEST_CASE("concurrent full: a heap may be closed at any time") {
  for (int i = 0; i < 20; ++i) {
    auto heap = open_heap<gcheap::uffd_async_barrier>(concurrent_heap());
    root<node_array> kept(heap->roots(), heap->template allocate<node_array>(1000));
    if (i % 2 == 0) heap->begin_full();
  }
}

TEST_CASE_TEMPLATE("concurrent full: a barrier that lists slots refuses", Barrier, gcbarrier::store_buffer,
                   gcbarrier::field_log) {
  static_assert(!gcheap::tells_all_writes<Barrier>);
  const auto heap = gcheap::collector<Barrier>::open(concurrent_heap(), gcheap::open_barrier<Barrier>);
  REQUIRE_FALSE(heap);
  CHECK(heap.error().code == ENOTSUP);
}

}  // namespace
