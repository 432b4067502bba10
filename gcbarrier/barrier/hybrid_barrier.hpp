// Tracking by the kernel for most objects, cards for those that are written here and there.
//
// A fault for each page is cheap where stores come many to a page, and dear where each goes to another one. A
// collector that knows which types are written that way keeps their objects in memory of their own, compiles
// the card mark into the stores to those types alone, and leaves everything else without a barrier.
#ifndef GCBARRIER_BARRIER_HYBRID_BARRIER_HPP
#define GCBARRIER_BARRIER_HYBRID_BARRIER_HPP

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <string_view>
#include <type_traits>
#include <utility>

#include "../address_range.hpp"
#include "../dirty_set.hpp"
#include "../error.hpp"
#include "../mechanism/uffd_async.hpp"
#include "../run_list.hpp"
#include "../version.hpp"
#include "arena_list.hpp"
#include "card_table.hpp"
#include "kernel_barrier.hpp"
#include "write_barrier.hpp"

GCBARRIER_NAMESPACE_BEGIN

// A write_barrier with a second kind of arena and a second store; one remembered set tells of both. `Tracked`
// is the barrier of the first kind.
template <write_barrier Tracked>
class hybrid_barrier {
 public:
  static constexpr std::string_view name = "hybrid";
  // Not store_scattered().
  using stores_plainly = std::conditional_t<plain_store_barrier<Tracked>, hybrid_barrier, void>;

  // `heap` holds every slot that store_scattered() will ever see, in whole cards. Errors: those of both
  // barriers.
  static result<hybrid_barrier> open(address_range heap) {
    result<card_table> cards = card_table::open(heap);
    if (!cards) return cards.error();
    result<Tracked> tracked = Tracked::open();
    if (!tracked) return tracked.error();
    return hybrid_barrier(std::move(*tracked), std::move(*cards));
  }

  void store(void** slot, void* value) { tracked_.store(slot, value); }
  // The store into an object that lies, or will lie when it is old, in a scattered arena.
  void store_scattered(void** slot, void* value) { cards_.store(slot, value); }

  error add_arena(address_range range, std::size_t reserve = 0) {
    return add(range, [&] { return add_with_reserve(tracked_, range, reserve); });
  }
  error add_scattered_arena(address_range range) {
    return add(range, [&] { return cards_.add_arena(range); });
  }

  dirty_set written() {
    const dirty_set pages = tracked_.written();
    const dirty_set cards = cards_.written();
    runs_.clear();
    if (runs_.reserve(pages.run_count() + cards.run_count())) return dirty_set(arenas_.arenas());
    auto page = pages.begin();
    auto card = cards.begin();
    while (page != pages.end() || card != cards.end()) {
      const bool page_first = card == cards.end() || (page != pages.end() && (*page).begin < (*card).begin);
      runs_.append(page_first ? *page++ : *card++);
    }
    return dirty_set(runs_.runs());
  }
  // Each of the two passes over what is not in its arenas.
  void retain(address_range range) {
    tracked_.retain(range);
    cards_.retain(range);
  }
  void expect_writes(address_range range) requires requires(Tracked part) { part.expect_writes(range); }
  { tracked_.expect_writes(range); }
  void rearm() {
    tracked_.rearm();
    cards_.rearm();
  }
  [[nodiscard]] std::size_t granule() const { return std::min(tracked_.granule(), cards_.granule()); }

 private:
  hybrid_barrier(Tracked tracked, card_table cards)
      : tracked_(std::move(tracked)), cards_(std::move(cards)) {}

  template <class F>
  error add(address_range range, F to_part) {
    if (arenas_.overlaps(range)) return {"add_arena", EEXIST, range, "part of it is an arena already"};
    if (const error why = to_part()) return why;
    return arenas_.add(range);
  }

  Tracked tracked_;
  card_table cards_;
  arena_list arenas_;  // of both kinds
  run_list runs_;
};
static_assert(two_part_barrier<hybrid_barrier<kernel_barrier<uffd_async>>>);

GCBARRIER_NAMESPACE_END

#endif
