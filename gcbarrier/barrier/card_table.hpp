// The software barrier that most collectors have: every pointer store also marks the card that the slot lies
// in. Unconditionally, or only if it is not marked yet.
#ifndef GCBARRIER_BARRIER_CARD_TABLE_HPP
#define GCBARRIER_BARRIER_CARD_TABLE_HPP

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <utility>

#include "../address_range.hpp"
#include "../dirty_set.hpp"
#include "../error.hpp"
#include "../kernel/mapped_array.hpp"
#include "../run_list.hpp"
#include "../version.hpp"
#include "arena_list.hpp"
#include "slot.hpp"
#include "write_barrier.hpp"

GCBARRIER_NAMESPACE_BEGIN

// unconditional: no branch, but a write to the table for each store.
// if_clean: reads before it writes, so that threads whose slots share a line of the table (32 KiB of heap) do
// not take it from each other at every store. HotSpot has both (-XX:+UseCondCardMark).
enum class card_marking : std::uint8_t { unconditional, if_clean };

// One byte per 512-byte card over one contiguous range, so that the mark needs no test and no branch: stores
// into young objects mark cards too, which nobody reads. The base is biased: the card of an address is base +
// (address >> 9). store() may be called from any thread; the rest with the world stopped.
template <card_marking Marking>
class basic_card_table {
 public:
  static constexpr std::string_view name =
      Marking == card_marking::unconditional ? "card" : "card_conditional";
  static constexpr std::size_t card_bytes = 512;

  // `covered` holds every slot that store() will ever see: nursery and old space in one range, card-aligned.
  // Costs 1/512 of it in memory as far as it is used. ENOMEM, or EINVAL for an empty or misaligned range.
  static result<basic_card_table> open(address_range covered) {
    if (covered.empty() || !covered.aligned_to(card_bytes)) {
      return error{"card_table::open", EINVAL, covered, "the range must be whole cards of 512 bytes"};
    }
    basic_card_table table;
    const std::size_t cards = covered.bytes() / card_bytes;
    if (const error why = table.cards_.reserve(cards)) return why;
    if (const error why = table.runs_.reserve(cards / 2 + 1)) return why;
    if (const error why = table.added_.add(covered)) return why;  // so that it never has to grow in a cycle
    table.added_.clear();
    table.covered_ = covered;
    table.base_ = reinterpret_cast<std::uintptr_t>(table.cards_.data()) - (covered.begin >> card_shift);
    return table;
  }

  // Atomics that are plain moves: two threads may mark the same card, and a marker may read the slot.
  void store(void** slot, void* value) {
    set_slot(slot, value);
    const std::uintptr_t index = reinterpret_cast<std::uintptr_t>(slot) >> card_shift;
    if constexpr (Marking == card_marking::if_clean) {
      // A retained card counts as dirty, so it is left as it is.
      if (std::atomic_ref(*byte(index)).load(std::memory_order_relaxed) != clean) return;
    }
    mark(index, dirty);
  }

  error add_arena(address_range range) {
    if (!covered_.contains(range) || !range.aligned_to(card_bytes)) {
      return {"card_table::add_arena", EINVAL, range,
              "the arena must be whole cards inside the covered range"};
    }
    if (arenas_.overlaps(range)) {
      return {"card_table::add_arena", EEXIST, range, "part of it is an arena already"};
    }
    if (const error why = arenas_.add(range)) return why;
    if (const error why = added_.add(range)) return why;
    std::memset(card(range.begin), dirty, range.bytes() >> card_shift);
    return {};
  }

  // Linear in the arenas' cards, 64 a step where they are clean.
  dirty_set written() {
    runs_.clear();
    added_.clear();
    for (const address_range arena : arenas_.arenas()) find_runs(arena);
    return dirty_set(runs_.runs());
  }

  // Any thread, between written() and rearm().
  void retain(address_range range) {
    const address_range cards = range.widened_to(card_bytes).intersection(covered_);
    for (std::uintptr_t at = cards.begin; at < cards.end; at += card_bytes) mark(at >> card_shift, retained);
  }

  // Touches only the cards that written() found and those of arenas added since.
  void rearm() {
    for (const address_range run : runs_.runs()) age(run);
    for (const address_range range : added_.arenas()) age(range);
    added_.clear();
    runs_.clear();
  }

  [[nodiscard]] std::size_t granule() const { return card_bytes; }

 private:
  // A card goes from retained to dirty to clean, a step at each rearm(). One that was clean when it was
  // retained is not visited by rearm(): written() takes it for dirty and makes it so.
  enum state : unsigned char { clean = 0, dirty = 1, retained = 2 };
  static constexpr unsigned card_shift = 9;

  basic_card_table() = default;

  [[nodiscard]] unsigned char* card(std::uintptr_t address) const { return byte(address >> card_shift); }
  [[nodiscard]] unsigned char* byte(std::uintptr_t index) const {
    return reinterpret_cast<unsigned char*>(base_ + index);  // NOLINT(performance-no-int-to-ptr)
  }
  void mark(std::uintptr_t index, unsigned char value) {
    std::atomic_ref(*byte(index)).store(value, std::memory_order_relaxed);
  }

  void age(address_range run) {
    unsigned char* const first = card(run.begin);
    const std::size_t count = run.bytes() >> card_shift;
    for (std::size_t i = 0; i < count; ++i) first[i] = static_cast<unsigned char>(first[i] >> 1);
  }

  void find_runs(address_range arena) {
    unsigned char* at = card(arena.begin);
    unsigned char* const last = card(arena.end - 1) + 1;
    while ((at = skip_clean(at, last)) != last) {
      unsigned char* const first = at;
      while (at != last && *at != clean) *at++ = dirty;
      runs_.append({address_of(first), address_of(at)});
    }
  }
  [[nodiscard]] std::uintptr_t address_of(const unsigned char* card) const {
    return (reinterpret_cast<std::uintptr_t>(card) - base_) << card_shift;
  }

  // The first card in [at, last) that is not clean. The table is nearly all zeros, so it is read 64 bytes at
  // a time.
  static unsigned char* skip_clean(unsigned char* at, const unsigned char* last) {
    constexpr std::size_t stride = 64;
    while (static_cast<std::size_t>(last - at) >= stride) {
      std::uint64_t words[stride / sizeof(std::uint64_t)];
      std::memcpy(words, at, stride);
      std::uint64_t any = 0;
      for (const std::uint64_t word : words) any |= word;
      if (any != 0) break;
      at += stride;
    }
    while (at != last && *at == clean) ++at;
    return at;
  }

  address_range covered_;
  std::uintptr_t base_ = 0;
  kernel::mapped_array<unsigned char> cards_;  // used as raw capacity: zero pages until marked
  arena_list arenas_;
  arena_list added_;  // since written(): their marks are not among runs_
  run_list runs_;
};

using card_table = basic_card_table<card_marking::unconditional>;
using conditional_card_table = basic_card_table<card_marking::if_clean>;
static_assert(write_barrier<card_table>);
static_assert(write_barrier<conditional_card_table>);

GCBARRIER_NAMESPACE_END

#endif
