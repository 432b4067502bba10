// What a generational collector asks of a write barrier, whether its memory is made by instructions in the
// mutator or by the kernel. A collector written against this concept runs with any of them.
#ifndef GCBARRIER_BARRIER_WRITE_BARRIER_HPP
#define GCBARRIER_BARRIER_WRITE_BARRIER_HPP

#include <concepts>
#include <cstddef>
#include <string_view>

#include "../address_range.hpp"
#include "../dirty_set.hpp"
#include "../error.hpp"
#include "../version.hpp"

GCBARRIER_NAMESPACE_BEGIN

// A cycle, with the world stopped:
//   written()    the remembered set: every pointer store since the last rearm(), plus what was retained
//   retain(r)    r goes into the next set though nobody writes it (safe from several marker threads at once)
//   rearm()      forget what was seen; called last, so that the collector's own writes are not remembered
// The store is called by mutators at any time, from any thread.
//
// Optional, between written() and rearm(), from any marker thread: found_young(r), where the search of r, a
// part of the set, found a pointer into the nursery. A barrier that learns which pages are worth its while
// wants to know. Optional too: a second argument of add_arena(), see add_with_reserve(); and, with the world
// stopped, expect_writes(r): the collector itself is about to write most of the pages in r.
template <class B>
concept write_barrier = requires(B barrier, void** slot, void* value, address_range range) {
  { B::name } -> std::convertible_to<std::string_view>;
  // The mutator's pointer store: *slot = value plus whatever the barrier needs. Inlined.
  { barrier.store(slot, value) } -> std::same_as<void>;
  // Memory the collector will ask about: pointer stores outside all arenas are never remembered. New memory
  // is in the next set. Both ends page-aligned.
  { barrier.add_arena(range) } -> std::same_as<error>;
  { barrier.written() } -> std::same_as<dirty_set>;
  { barrier.retain(range) } -> std::same_as<void>;
  { barrier.rearm() } -> std::same_as<void>;
  // Bytes: runs of the set begin and end on multiples of this.
  { barrier.granule() } -> std::convertible_to<std::size_t>;
};

// Adds an arena that will grow, by further arenas that follow it, by up to `reserve` bytes of memory that is
// mapped now. A barrier that can make use of that takes it as a second argument.
template <write_barrier B>
error add_with_reserve(B& barrier, address_range range, std::size_t reserve) {
  if constexpr (requires { barrier.add_arena(range, reserve); }) {
    return barrier.add_arena(range, reserve);
  } else {
    return barrier.add_arena(range);
  }
}

// A barrier that remembers slots has them listed, which spares the collector a search; written() is then the
// same set in order and merged, at the price of sorting.
//   each_written_slot(f)  calls f(void**) with each slot, in no order, some of them twice or no longer young
//   unlisted()            what must be searched beside: new memory, or everything when the list ran full
template <class B>
concept slot_barrier = write_barrier<B> && requires(B barrier, void (*act)(void** slot)) {
  { barrier.each_written_slot(act) } -> std::same_as<void>;
  { barrier.unlisted() } -> std::same_as<dirty_set>;
};

// A barrier with two kinds of arenas and a store for each: objects whose stores are store_scattered() must
// lie in arenas of the second kind once they are old.
template <class B>
concept two_part_barrier = write_barrier<B> &&
    requires(B barrier, void** slot, void* value, address_range range) {
  { barrier.store_scattered(slot, value) } -> std::same_as<void>;
  { barrier.add_scattered_arena(range) } -> std::same_as<error>;
};

// A barrier whose store() is the plain store, and says so by naming itself, which what derives from it does
// not inherit. Who needs an atomic one, as other threads read the slot meanwhile, makes it without store():
// compilers merge and vectorise plain ones.
template <class B>
concept plain_store_barrier = write_barrier<B> && std::same_as<typename B::stores_plainly, B>;

GCBARRIER_NAMESPACE_END

#endif
