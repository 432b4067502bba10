// Several mutators in one heap: what each does comes out as if it were alone, whoever collects, comes or
// goes.
#include <heap/shared_heap.hpp>

#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

#include "shadow.hpp"
#include "support.hpp"

namespace {

using gcheap::root;
using heap_test::blob;
using heap_test::new_node;
using heap_test::node;
using heap_test::node_array;

template <class Barrier>
auto open_shared(const gcheap::collector_options& options = heap_test::small_heap()) {
  auto heap = gcheap::shared_heap<Barrier>::open(options, gcheap::open_barrier<Barrier>);
  REQUIRE(heap);
  return std::move(*heap);
}

template <class Barrier>
using mutator_of = typename gcheap::shared_heap<Barrier>::mutator;

// Runs act(number) on so many threads, and waits for them. From a thread that runs no mutator.
template <class F>
void on_threads(std::size_t count, F act) {
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < count; ++i) threads.emplace_back([&, i] { act(i); });
  for (std::thread& one : threads) one.join();
}

// Pairs of nodes that threads put into an array that they share, and check what others put there.
template <class Mutator>
class exchange {
 public:
  exchange(Mutator& mutator, std::mutex& lock, node_array* shared)
      : mutator_(mutator), lock_(lock), shared_(mutator.roots(), shared) {}

  void swap_one(std::uint64_t number) {
    root<node> pair(mutator_.roots(), new_node(mutator_, number));
    node* const half = new_node(mutator_, ~number);
    mutator_.store(pair->left, half);
    // Who holds the lock may be stopped.
    if (!lock_.try_lock()) mutator_.blocking([this] { lock_.lock(); });
    gcheap::field<node>& place = (*shared_)[number * 7919 % shared_->header.length];
    const node* const other = place;
    if (other != nullptr) REQUIRE(other->left->number == ~other->number);
    mutator_.store(place, pair.get());
    lock_.unlock();
  }

 private:
  Mutator& mutator_;
  std::mutex& lock_;
  root<node_array> shared_;
};

template <class Heap>
void mutate_on_threads(Heap& heap, std::size_t threads, int steps) {
  using mutator = typename Heap::mutator;
  mutator main(heap);
  root<node_array> shared(main.roots(), main.template allocate<node_array>(1000));
  std::mutex lock;
  main.blocking([&] {
    on_threads(threads, [&](std::size_t number) {
      mutator mine(heap);
      exchange<mutator> others(mine, lock, shared.get());
      heap_test::shadowed_graph graph(mine, 1000, static_cast<unsigned>(number));
      for (int step = 0; step < steps; ++step) {
        graph.change();
        if (step % 8 == 0) others.swap_one(static_cast<std::uint64_t>(step) * threads + number);
        if (step % 4096 == 1000) mine.collect_minor();
        if (step % 8192 == 5000) mine.collect_full();
      }
      graph.check();
    });
  });
  main.stopped([](auto& collector) {
    const gcheap::statistics& s = collector.statistics();
    CHECK(s.collections() > 0);
    CHECK(s.verified_collections == s.collections());
    CHECK(s.missed_slots == 0);
    CHECK(s.unmarked_objects == 0);
    CHECK(s.dangling_slots == 0);
  });
}

TEST_CASE_TEMPLATE("shared heap: any mutation on one to eight threads gives the graphs that it would alone",
                   Barrier, HEAP_TEST_BARRIERS) {
  for (const std::size_t threads : {1, 2, 3, 8}) {
    CAPTURE(threads);
    auto heap = open_shared<Barrier>();
    mutate_on_threads(*heap, threads, 24000 / static_cast<int>(threads));
  }
}

TEST_CASE_TEMPLATE("shared heap: full collections beside several mutators", Barrier, gcbarrier::card_table,
                   gcheap::uffd_async_barrier, gcheap::hybrid_barrier, gcheap::mprotect_barrier) {
  gcheap::collector_options options = heap_test::small_heap();
  options.concurrent_full = true;
  options.first_full_bytes = std::size_t{64} << 10;
  options.growth = 1.1;
  auto heap = open_shared<Barrier>(options);
  mutate_on_threads(*heap, 4, 8000);
}

TEST_CASE_TEMPLATE("shared heap: threads come and go in the midst of collections", Barrier,
                   HEAP_TEST_BARRIERS) {
  auto heap = open_shared<Barrier>();
  std::atomic<std::size_t> ended{0};
  constexpr std::size_t each = 20;
  on_threads(4, [&](std::size_t number) {
    if (number == 0) {
      mutator_of<Barrier> collecting(*heap);
      while (ended < 3 * each) collecting.collect_minor();
      return;
    }
    for (std::uint64_t i = 0; i < each; ++i) {
      mutator_of<Barrier> mine(*heap);
      root<node> list(mine.roots());
      for (std::uint64_t n = 0; n < 500; ++n) {
        node* const head = new_node(mine, n);
        mine.store(head->left, list.get());
        list = head;
      }
      std::uint64_t left = 500;
      for (const node* n = list; n != nullptr; n = n->left) REQUIRE(n->number == --left);
      REQUIRE(left == 0);
      ++ended;
    }
  });
  heap->stopped([](auto& collector) {
    collector.collect_full();
    CHECK(collector.old_live_bytes() == 0);
    CHECK(collector.statistics().missed_slots == 0);
  });
}

// The negative control of what all these tests rest on: without a thread's roots its objects are gone.
TEST_CASE("shared heap: the objects of a thread whose roots are forgotten are lost") {
  using barrier = gcheap::uffd_async_barrier;
  auto heap = open_shared<barrier>();
  mutator_of<barrier> mine(*heap);
  for (const bool forgotten : {false, true}) {
    root<node> kept(mine.roots(), new_node(mine, 1));
    mine.stopped([&](auto& collector) {
      if (forgotten) collector.remove_roots(mine.roots());
      collector.collect_minor();
      if (forgotten) collector.add_roots(mine.roots());
    });
    CHECK(mine.is_young(kept.get()) == forgotten);  // still, though the nursery is empty
    kept = nullptr;
  }
}

TEST_CASE(
    "shared heap: nobody waits for a thread that blocks, nor for ever for one in a loop with safepoints") {
  using barrier = gcheap::uffd_async_barrier;
  auto heap = open_shared<barrier>();
  std::mutex lock;
  std::condition_variable changed;
  int here = 0;
  std::atomic<bool> over{false};
  const auto arrive = [&] {
    const std::lock_guard hold(lock);
    ++here;
    changed.notify_all();
  };
  on_threads(3, [&](std::size_t number) {
    mutator_of<barrier> mine(*heap);
    root<node> kept(mine.roots(), new_node(mine, number));
    if (number == 0) {
      mine.blocking([&] {
        arrive();
        while (!over) std::this_thread::yield();
      });
    } else if (number == 1) {
      arrive();
      while (!over) mine.safepoint();
    } else {
      mine.blocking([&] {
        std::unique_lock hold(lock);
        changed.wait(hold, [&] { return here == 2; });
      });
      for (int i = 0; i < 10; ++i) mine.collect_minor();
      over = true;
    }
    CHECK(kept->number == number);
    CHECK_FALSE(mine.is_young(kept.get()));
  });
}

TEST_CASE_TEMPLATE("shared heap: large objects, and a full heap that is an error to the threads that fill it",
                   Barrier, HEAP_TEST_BARRIERS) {
  gcheap::collector_options options = heap_test::small_heap();
  options.old_bytes = gcheap::arena_step;
  auto heap = open_shared<Barrier>(options);
  on_threads(3, [&](std::size_t number) {
    mutator_of<Barrier> mine(*heap);
    for (int round = 0; round < 2; ++round) {
      root<node> list(mine.roots());
      std::uint64_t count = 0;
      for (;; ++count) {
        auto* const data = mine.template allocate<blob>(count % 16 == 0 ? 100000 : 3000);
        if (data == nullptr) break;
        data->data()[0] = static_cast<unsigned char>(number);
        root<blob> kept(mine.roots(), data);
        node* const head = mine.template allocate<node>();
        if (head == nullptr) break;
        head->number = count;
        mine.store(head->left, list.get());
        mine.store(head->right, reinterpret_cast<node*>(kept.get()));  // any object will do
        list = head;
      }
      CHECK(mine.out_of_memory().code == ENOMEM);
      for (const node* n = list; n != nullptr; n = n->left) {
        REQUIRE(n->number == --count);
        REQUIRE(reinterpret_cast<blob*>(n->right.get())->data()[0] == number);
      }
    }
  });
  heap->stopped([](auto& collector) { CHECK(collector.statistics().missed_slots == 0); });
}

TEST_CASE("shared heap: ageing objects and torture") {
  gcheap::collector_options options = heap_test::small_heap();
  SUBCASE("ageing") {
    options.promotion_age = 3;
    options.survivor_bytes = std::size_t{64} << 10;
  }
  SUBCASE("torture") {
    options.torture = 50;
  }
  auto heap = open_shared<gcheap::uffd_async_barrier>(options);
  mutate_on_threads(*heap, 4, 2000);
}

TEST_CASE("shared heap: one that cannot be opened says why") {
  gcheap::collector_options options;
  options.old_bytes = 0;
  const auto heap =
      gcheap::shared_heap<gcbarrier::card_table>::open(options, gcheap::open_barrier<gcbarrier::card_table>);
  REQUIRE_FALSE(heap);
  CHECK(heap.error().code == EINVAL);
}

}  // namespace
