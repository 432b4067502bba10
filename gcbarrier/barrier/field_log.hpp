// Field logging: a bit for every word of the heap says whether the barrier still has to do something about
// it. The first store of a young pointer into an old slot lists the slot and sets its bit; later stores see
// the bit.
#ifndef GCBARRIER_BARRIER_FIELD_LOG_HPP
#define GCBARRIER_BARRIER_FIELD_LOG_HPP

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "../address_range.hpp"
#include "../error.hpp"
#include "../kernel/mapped_array.hpp"
#include "../version.hpp"
#include "remembered_slots.hpp"
#include "slot.hpp"
#include "write_barrier.hpp"

GCBARRIER_NAMESPACE_BEGIN

// A log of fields and not of objects, as in LXR (Zhao, Blackburn, McKinley, PLDI 2022): it needs no holder
// beside the slot and no bit in the header, a slot is listed once a cycle whatever is stored to it, and one
// store into a large array does not make all of it be searched. The bits of the nursery are set for good, so
// the one test that sends away stores to logged slots sends away stores to young objects too.
class field_log : public remembered_slots {
 public:
  static constexpr std::string_view name = "field_log";

  // `heap` holds every slot that store() will ever see, `young` all young objects; both in whole granules of
  // 512 bytes. Costs 1/64 of the heap in memory as far as it is used. ENOMEM, or EINVAL for an empty or
  // misaligned range.
  static result<field_log> open(address_range heap, address_range young) {
    if (heap.empty() || !heap.aligned_to(word_covers) || !young.aligned_to(word_covers)) {
      return error{"field_log::open", EINVAL, heap, "both ranges must be multiples of 512 bytes"};
    }
    field_log made;
    if (const error why = made.reserve(heap, young)) return why;
    if (const error why = made.logged_.reserve(heap.bytes() / word_covers)) return why;
    made.base_ =
        reinterpret_cast<std::uintptr_t>(made.logged_.data()) - (heap.begin >> word_shift) * sizeof(bits);
    for (std::uintptr_t at = young.begin; at < young.end; at += word_covers) *made.word_of(at) = ~bits{0};
    return made;
  }

  void store(void** slot, void* value) {
    set_slot(slot, value);
    const std::uintptr_t at = address_of(slot);
    const bits word = std::atomic_ref(*word_of(at)).load(std::memory_order_relaxed);
    if ((word >> bit_number(at) & 1) != 0) return;
    if (!is_young(value)) return;
    log(slot);
  }

  void rearm() {
    if (complete()) {
      each_written_slot([this](void** slot) { *word_of(address_of(slot)) &= ~bit_of(address_of(slot)); });
    } else {  // some slots have their bits set and are in no list
      for (const address_range arena : unlisted()) {
        std::memset(word_of(arena.begin), 0, arena.bytes() / word_covers * sizeof(bits));
      }
    }
    remembered_slots::rearm();
    // What was retained is listed.
    each_written_slot([this](void** slot) { *word_of(address_of(slot)) |= bit_of(address_of(slot)); });
  }

 private:
  using bits = std::uint64_t;
  static constexpr unsigned word_shift = 9;
  static constexpr std::size_t word_covers = std::size_t{1} << word_shift;

  field_log() = default;

  static std::uintptr_t address_of(const void* p) { return reinterpret_cast<std::uintptr_t>(p); }
  [[nodiscard]] bits* word_of(std::uintptr_t at) const {
    return reinterpret_cast<bits*>(base_) + (at >> word_shift);  // NOLINT(performance-no-int-to-ptr)
  }
  static unsigned bit_number(std::uintptr_t at) { return at / sizeof(void*) % 64; }
  static bits bit_of(std::uintptr_t at) { return bits{1} << bit_number(at); }

  // Once per slot and cycle.
  [[gnu::noinline]] void log(void** slot) {
    const std::uintptr_t at = address_of(slot);
    const bits before = std::atomic_ref(*word_of(at)).fetch_or(bit_of(at), std::memory_order_relaxed);
    if ((before & bit_of(at)) == 0) append(slot);  // else another thread was faster
  }

  std::uintptr_t base_ = 0;            // of the bits of address 0
  kernel::mapped_array<bits> logged_;  // used as raw capacity: zero pages until logged
};
static_assert(slot_barrier<field_log>);

GCBARRIER_NAMESPACE_END

#endif
