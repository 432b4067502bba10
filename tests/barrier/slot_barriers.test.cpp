// The barriers that list slots.
#include <doctest/doctest.h>
#include <gcbarrier/barrier/field_log.hpp>
#include <gcbarrier/barrier/slot_log.hpp>
#include <gcbarrier/barrier/store_buffer.hpp>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <random>
#include <set>
#include <thread>
#include <vector>

#include "no_memory.hpp"

namespace {

using gcbarrier::address_range;
using gcbarrier::field_log;
using gcbarrier::slot_log;
using gcbarrier::store_buffer;

#define SLOT_BARRIERS store_buffer, field_log

using slots = std::vector<void**>;

// A heap of words, the first `young_words` of them young, and a barrier over it with nothing in its set.
template <class Barrier>
struct heap_of_words {
  static constexpr std::size_t page_words = 512;
  std::size_t young_words = 4 * page_words;
  std::size_t words;
  std::unique_ptr<void*[]> memory;
  void** first;
  address_range whole;
  address_range young;
  address_range arena;
  gcbarrier::result<Barrier> barrier;

  explicit heap_of_words(std::size_t old_words = 60 * page_words)
      : words(young_words + old_words),
        memory(new void* [words + page_words] {}),
        first(reinterpret_cast<void**>((reinterpret_cast<std::uintptr_t>(memory.get()) + 4095) &
                                       ~std::uintptr_t{4095})),
        whole(first, words * sizeof(void*)),
        young(first, young_words * sizeof(void*)),
        arena(young.end, whole.end),
        barrier(Barrier::open(whole, young)) {
    REQUIRE(barrier);
    REQUIRE_FALSE(barrier->add_arena(arena));
    barrier->rearm();
    REQUIRE(listed().empty());
  }

  void** old_slot(std::size_t i) const { return first + young_words + i; }
  void* young_object(std::size_t i = 0) const { return first + i; }
  void* old_object(std::size_t i = 0) const { return old_slot(i); }

  [[nodiscard]] slots listed() const {
    slots found;
    barrier->each_written_slot([&](void** slot) { found.push_back(slot); });
    std::sort(found.begin(), found.end());
    return found;
  }
  slots in_runs() {
    slots found;
    for (const address_range run : barrier->written()) {
      for (std::uintptr_t at = run.begin; at < run.end; at += sizeof(void*)) {
        found.push_back(reinterpret_cast<void**>(at));
      }
    }
    return found;
  }
};

TEST_CASE_TEMPLATE("a young pointer stored into an old slot is listed, nothing else is", Barrier,
                   SLOT_BARRIERS) {
  heap_of_words<Barrier> heap;
  int elsewhere = 0;
  auto& b = *heap.barrier;
  b.store(heap.first + 10, heap.young_object());  // into a young object
  b.store(heap.old_slot(1), heap.old_object(7));
  b.store(heap.old_slot(2), nullptr);
  b.store(heap.old_slot(3), &elsewhere);
  CHECK(heap.listed().empty());
  b.store(heap.old_slot(4), heap.young_object());
  b.store(heap.old_slot(5), heap.young_object(heap.young_words - 1));
  CHECK(heap.listed() == slots{heap.old_slot(4), heap.old_slot(5)});
  CHECK(heap.in_runs() == slots{heap.old_slot(4), heap.old_slot(5)});
  CHECK(b.unlisted().empty());
  CHECK(*heap.old_slot(3) == &elsewhere);
  CHECK(*heap.old_slot(5) == heap.young_object(heap.young_words - 1));
}

TEST_CASE_TEMPLATE("a slot is listed once however often it gets another young pointer", Barrier,
                   SLOT_BARRIERS) {
  heap_of_words<Barrier> heap;
  for (std::size_t i = 0; i < 100; ++i) heap.barrier->store(heap.old_slot(4), heap.young_object(i));
  CHECK(heap.listed() == slots{heap.old_slot(4)});
}

TEST_CASE("a store buffer lists a slot again that held something else in between; a field log does not") {
  const auto toggle = [](auto& heap) {
    for (int i = 0; i < 3; ++i) {
      heap.barrier->store(heap.old_slot(4), heap.young_object());
      heap.barrier->store(heap.old_slot(4), nullptr);
    }
    return heap.listed().size();
  };
  heap_of_words<store_buffer> buffered;
  CHECK(toggle(buffered) == 3);
  CHECK(buffered.in_runs() == slots{buffered.old_slot(4)});
  heap_of_words<field_log> logged;
  CHECK(toggle(logged) == 1);
}

TEST_CASE_TEMPLATE("rearm forgets, and what is stored after it is listed again", Barrier, SLOT_BARRIERS) {
  heap_of_words<Barrier> heap;
  for (int cycle = 0; cycle < 5; ++cycle) {
    heap.barrier->store(heap.old_slot(4), heap.young_object());
    CHECK(heap.listed() == slots{heap.old_slot(4)});
    *heap.old_slot(4) = heap.old_object();  // promoted by the collector
    heap.barrier->rearm();
    CHECK(heap.listed().empty());
    CHECK(heap.in_runs().empty());
  }
}

TEST_CASE_TEMPLATE("what is retained is in the next set and not in the one after it", Barrier,
                   SLOT_BARRIERS) {
  heap_of_words<Barrier> heap;
  heap.barrier->store(heap.old_slot(4), heap.young_object());
  heap.barrier->retain(address_range(heap.old_slot(4), sizeof(void*)));
  heap.barrier->retain(address_range(heap.old_slot(9), 2 * sizeof(void*)));
  CHECK(heap.listed() == slots{heap.old_slot(4)});
  heap.barrier->rearm();
  CHECK(heap.listed() == slots{heap.old_slot(4), heap.old_slot(9), heap.old_slot(10)});
  heap.barrier->store(heap.old_slot(4), heap.young_object(1));  // in the list already
  heap.barrier->store(heap.old_slot(20), heap.young_object(1));
  CHECK(heap.listed().size() == 4);
  heap.barrier->rearm();
  CHECK(heap.listed().empty());
}

TEST_CASE_TEMPLATE("new memory has to be searched until rearm", Barrier, SLOT_BARRIERS) {
  heap_of_words<Barrier> heap;
  auto barrier = Barrier::open(heap.whole, heap.young);
  REQUIRE(barrier);
  const address_range half{heap.arena.begin, heap.arena.begin + heap.arena.bytes() / 2};
  const address_range rest{half.end, heap.arena.end};
  REQUIRE_FALSE(barrier->add_arena(half));
  barrier->rearm();
  REQUIRE_FALSE(barrier->add_arena(rest));
  CHECK(barrier->add_arena(rest).code == EEXIST);
  barrier->store(heap.old_slot(4), heap.young_object());
  REQUIRE(barrier->unlisted().run_count() == 1);
  CHECK((*barrier->unlisted().begin()).begin == rest.begin);
  CHECK(barrier->written().bytes() == rest.bytes() + sizeof(void*));
  CHECK(barrier->written().contains(heap.old_slot(4)));
  barrier->rearm();
  CHECK(barrier->unlisted().empty());
}

TEST_CASE_TEMPLATE("any cycles of stores and retains give the slots of a model", Barrier, SLOT_BARRIERS) {
  heap_of_words<Barrier> heap;
  std::mt19937 random(3);
  std::set<void**> expected;
  for (int cycle = 0; cycle < 200; ++cycle) {
    for (std::size_t n = random() % 3000; n > 0; --n) {
      void** const slot = heap.first + random() % 8000;
      void* const value = heap.first + random() % 8000;
      heap.barrier->store(slot, value);
      if (heap.arena.contains(slot) && heap.young.contains(value)) expected.insert(slot);
    }
    const slots listed = heap.listed();
    REQUIRE(std::set<void**>(listed.begin(), listed.end()) == expected);
    REQUIRE(heap.in_runs() == slots(expected.begin(), expected.end()));
    if constexpr (std::same_as<Barrier, field_log>) REQUIRE(listed.size() == expected.size());
    // As a collection does: nothing old points to the nursery but what is retained.
    std::set<void**> kept;
    for (void** const slot : expected) {
      if (heap.young.contains(*slot) && random() % 8 == 0) {
        heap.barrier->retain(address_range(slot, sizeof(void*)));
        kept.insert(slot);
      } else {
        *slot = nullptr;
      }
    }
    heap.barrier->rearm();
    expected = kept;
  }
}

TEST_CASE_TEMPLATE("a list that runs full says that everything must be searched, and recovers", Barrier,
                   SLOT_BARRIERS) {
  const std::size_t many = 300 * 1024;
  heap_of_words<Barrier> heap(many);
  const auto fill = [&] {
    for (std::size_t i = 0; i < many; ++i) heap.barrier->store(heap.old_slot(i), heap.young_object());
  };
  fill();
  REQUIRE(heap.barrier->unlisted().bytes() == heap.arena.bytes());
  CHECK(heap.barrier->written().bytes() == heap.arena.bytes());
  std::fill_n(heap.old_slot(0), many, nullptr);
  heap.barrier->rearm();
  CHECK(heap.barrier->unlisted().empty());
  CHECK(heap.listed().empty());
  heap.barrier->store(heap.old_slot(many - 1), heap.young_object());
  CHECK(heap.listed() == slots{heap.old_slot(many - 1)});
  // Retaining too much has the same effect, a cycle later.
  heap.barrier->retain(heap.arena);
  heap.barrier->rearm();
  CHECK(heap.barrier->unlisted().bytes() == heap.arena.bytes());
  std::fill_n(heap.old_slot(0), many, nullptr);
  heap.barrier->rearm();
  heap.barrier->store(heap.old_slot(0), heap.young_object());
  heap.barrier->store(heap.old_slot(many - 1), heap.young_object());
  CHECK(heap.listed() == slots{heap.old_slot(0), heap.old_slot(many - 1)});
}

TEST_CASE_TEMPLATE("where there is no memory to sort the list, the set is everything", Barrier,
                   SLOT_BARRIERS) {
  heap_of_words<Barrier> heap;
  heap.barrier->store(heap.old_slot(4), heap.young_object());
  CHECK(without_memory([&] { return heap.barrier->written().bytes(); }) == heap.arena.bytes());
  CHECK(heap.in_runs() == slots{heap.old_slot(4)});
}

TEST_CASE_TEMPLATE("threads list their slots at once, cycle after cycle", Barrier, SLOT_BARRIERS) {
  constexpr std::size_t threads = 4;
  constexpr std::size_t each = 5000;
  heap_of_words<Barrier> heap(threads * each + 96);
  for (int cycle = 0; cycle < 10; ++cycle) {
    std::vector<std::thread> mutators;
    for (std::size_t t = 0; t < threads; ++t) {
      mutators.emplace_back([&, t] {
        for (std::size_t i = 0; i < each; ++i) {
          heap.barrier->store(heap.old_slot(i * threads + t), heap.young_object(i % 100));
        }
      });
    }
    for (std::thread& one : mutators) one.join();
    const slots listed = heap.listed();
    REQUIRE(listed.size() == threads * each);
    REQUIRE(std::unique_copy(listed.begin(), listed.end(), slots(listed.size()).begin()) !=
            slots::iterator{});
    REQUIRE(heap.in_runs() == listed);
    std::fill_n(heap.old_slot(0), threads * each, nullptr);
    heap.barrier->rearm();
  }
}

TEST_CASE_TEMPLATE("two heaps in one thread do not mix, and a barrier may move", Barrier, SLOT_BARRIERS) {
  heap_of_words<Barrier> one;
  heap_of_words<Barrier> other;
  for (std::size_t i = 0; i < 10; ++i) {
    one.barrier->store(one.old_slot(i), one.young_object());
    if (i % 2 == 0) other.barrier->store(other.old_slot(i), other.young_object());
  }
  CHECK(one.listed().size() == 10);
  CHECK(other.listed().size() == 5);
  Barrier moved(std::move(*one.barrier));
  moved.store(one.old_slot(100), one.young_object());
  std::size_t count = 0;
  moved.each_written_slot([&](void**) { ++count; });
  CHECK(count == 11);
  CHECK(other.listed().size() == 5);
}

TEST_CASE("bad ranges are refused") {
  CHECK(store_buffer::open({}, {}).error().code == EINVAL);
  CHECK(field_log::open({}, {}).error().code == EINVAL);
  CHECK(field_log::open({0x1008, 0x2000}, {}).error().code == EINVAL);
  CHECK(field_log::open({0x1000, 0x2000}, {0x1000, 0x1008}).error().code == EINVAL);
}

TEST_CASE("a log says so when it lacks a single slot") {
  slot_log log;
  REQUIRE_FALSE(log.reserve(1));
  void* word = nullptr;
  std::size_t appended = 0;
  for (; log.complete(); ++appended) log.append(&word);
  std::size_t count = 0;
  log.each([&](void**) { ++count; });
  CHECK(count == appended - 1);
}

TEST_CASE("a log's memory is used again from cycle to cycle") {
  slot_log log;
  REQUIRE_FALSE(log.reserve(1));
  void* word = nullptr;
  for (int cycle = 0; cycle < 1000; ++cycle) {  // far more than it has room for in all
    for (int i = 0; i < 1500; ++i) log.append(&word);
    std::size_t count = 0;
    log.each([&](void** slot) { count += slot == &word ? 1 : 0; });
    REQUIRE(count == 1500);
    REQUIRE(log.complete());
    log.clear();
  }
}

}  // namespace
