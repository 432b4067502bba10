// Addresses of slots, appended by many threads at once without an atomic instruction: the buffer behind the
// barriers that remember slots.
#ifndef GCBARRIER_BARRIER_SLOT_LOG_HPP
#define GCBARRIER_BARRIER_SLOT_LOG_HPP

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "../error.hpp"
#include "../kernel/mapped_array.hpp"
#include "../version.hpp"

GCBARRIER_NAMESPACE_BEGIN

// A thread fills a chunk of its own and takes the next when that is full. Chunks come from one reservation,
// in order, so a cycle allocates nothing; they are zeroed when they are cleared, so that the end of each is a
// null. Where a thread writes next is thread-local and good for one generation of one log: clear() ends the
// generation, and so every thread's place, without knowing the threads. Two words a thread and a counter are
// the only global state.
class slot_log {
 public:
  // Room for this many slots; chunks that threads leave half empty count as full. Address space, which costs
  // memory when it is used and is kept then.
  error reserve(std::size_t slots) {
    const std::size_t chunks = std::max(slots / chunk_slots, least_chunks);
    if (const error why = memory_.reserve((chunks + 1) * chunk_slots)) return why;
    const auto base = reinterpret_cast<std::uintptr_t>(memory_.data());
    first_ = reinterpret_cast<void***>((base + chunk_bytes - 1) & ~(chunk_bytes - 1));
    chunks_ = chunks;
    begin_generation();
    return {};
  }

  // Any thread.
  void append(void** slot) {
    place& mine = here_;
    if (mine.generation != generation_) [[unlikely]] {
      append_to_next_chunk(slot);
      return;
    }
    void*** const next = mine.next;
    *next = slot;
    mine.next = next + 1;
    // Chunks are aligned to their size. With the last slot the place is gone, so that one test serves both.
    if (reinterpret_cast<std::uintptr_t>(next + 1) % chunk_bytes == 0) mine.generation = 0;
  }

  // The rest while nobody appends.

  // Every slot as often as it was appended; in the order of each thread's appending.
  template <class F>
  void each(F f) const {
    for (std::size_t chunk = 0; chunk < used(); ++chunk) {
      void*** at = first_ + chunk * chunk_slots;
      void*** const end = at + chunk_slots;
      for (; at != end && *at != nullptr; ++at) f(*at);
    }
  }
  // Whether everything appended since clear() is there: false when the room was used up.
  [[nodiscard]] bool complete() const { return taken_ <= chunks_; }
  void clear() {
    for (std::size_t chunk = 0; chunk < used(); ++chunk) {
      void*** const at = first_ + chunk * chunk_slots;
      std::memset(at, 0, static_cast<std::size_t>(end_of(at) - at) * sizeof(void**));
    }
    taken_ = 0;
    begin_generation();
  }

 private:
  // 8 KiB: a few cycles of a quiet thread, and no more than two pages for each of many threads.
  static constexpr std::size_t chunk_slots = 1024;
  static constexpr std::size_t chunk_bytes = chunk_slots * sizeof(void**);
  static constexpr std::size_t least_chunks = 256;  // a thread each

  struct place {
    void*** next;
    std::uint64_t generation;  // 0: of none
  };

  void begin_generation() { generation_ = last_generation_.fetch_add(1, std::memory_order_relaxed) + 1; }

  [[gnu::noinline, gnu::cold]] void append_to_next_chunk(void** slot) {
    const std::size_t chunk = std::atomic_ref(taken_).fetch_add(1, std::memory_order_relaxed);
    if (chunk >= chunks_) return;  // lost: complete() is false from now on
    void*** const next = first_ + chunk * chunk_slots;
    *next = slot;
    here_ = {next + 1, generation_};
  }

  [[nodiscard]] std::size_t used() const { return std::min(taken_, chunks_); }
  static void*** end_of(void*** chunk) {
    return std::find(chunk, chunk + chunk_slots, static_cast<void**>(nullptr));
  }

  static inline std::atomic<std::uint64_t> last_generation_{0};
  static inline constinit thread_local place here_{};

  kernel::mapped_array<void**> memory_;  // used as raw capacity
  void*** first_ = nullptr;
  std::size_t chunks_ = 0;
  std::size_t taken_ = 0;
  std::uint64_t generation_ = 0;
};

GCBARRIER_NAMESPACE_END

#endif
