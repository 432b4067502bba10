// Every way in which a program, or the kernel on its behalf, writes to memory through its page tables.
#ifndef GCBARRIER_TESTS_ORACLE_WAYS_OF_WRITING_HPP
#define GCBARRIER_TESTS_ORACLE_WAYS_OF_WRITING_HPP

#include <liburing.h>

#include <cstddef>
#include <cstdint>
#include <span>

namespace oracle {

enum class way : std::uint8_t {
  // by instructions of this thread
  store_1,
  store_2,
  store_4,
  store_8,
  store_16,
  store_32,
  store_around_the_cache,
  copy,
  fill,
  string_move,
  fetch_add,
  exchange,
  compare_exchange,
  failed_compare_exchange,  // changes nothing
  // by another thread
  other_thread,
  // by the kernel
  read,
  pread,
  readv,
  getrandom,
  process_vm_writev,
  proc_self_mem,
  io_uring,
  io_uring_worker,  // by a kernel thread that borrows our memory
};
inline constexpr std::size_t way_count = 23;

const char* name_of(way one);
constexpr bool is_system_call(way one) {
  return one >= way::read;
}

// Writes in any of the ways. Belongs to the process that made it: a forked child needs its own.
class hand {
 public:
  static constexpr std::size_t longest = 16384;  // bytes

  hand();
  hand(const hand&) = delete;
  hand& operator=(const hand&) = delete;
  ~hand();

  // Whether it works on this machine: io_uring and /proc/self/mem may be forbidden.
  [[nodiscard]] bool can(way one) const;
  // Writes bytes drawn from `dice` somewhere in `target`, at its beginning and all of it where the way has no
  // width of its own. The target has at least 64 bytes and at most `longest`. Aborts if it cannot.
  void write(way one, std::span<char> target, std::uint64_t dice);

 private:
  void by_ring(std::span<char> target, std::uint64_t offset, unsigned flags);

  int source_;  // a file of random bytes, twice as long as the longest write
  int own_memory_;
  bool memory_works_ = false;
  io_uring ring_;
  bool ring_works_ = false;
};

}  // namespace oracle

#endif
