// How the threads of a program are stopped for a collection: at points where they hold no pointer but in
// roots.
#ifndef GCHEAP_SAFEPOINTS_HPP
#define GCHEAP_SAFEPOINTS_HPP

#include <gcbarrier/address_range.hpp>

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <vector>

namespace gcheap {

// A thread's share of the nursery, which it allocates from alone. Who stops the threads takes the limit away,
// so that the next allocation is a safepoint: the test that an allocation makes anyway.
class allocation_buffer {
 public:
  // `bytes` of memory with anything in it, or null.
  void* allocate(std::size_t bytes) {
    const std::uintptr_t next = top_ + bytes;
    if (next > limit_.load(std::memory_order_relaxed)) return nullptr;
    void* const fresh = reinterpret_cast<void*>(top_);  // NOLINT(performance-no-int-to-ptr)
    top_ = next;
    return fresh;
  }

  // At a safepoint.
  [[nodiscard]] bool has(std::size_t bytes) const { return end_ - top_ >= bytes; }
  void refill(void* memory, std::size_t bytes) {
    top_ = reinterpret_cast<std::uintptr_t>(memory);
    end_ = top_ + bytes;
    limit_.store(end_, std::memory_order_relaxed);
  }
  // Empties it, after retire(rest) with the memory that was not used.
  template <class F>
  void retire(F rest) {
    rest(gcbarrier::address_range{top_, end_});
    top_ = end_ = 0;
    limit_.store(0, std::memory_order_relaxed);
  }
  // Who stops the owner: its next allocation fails, until it gets the limit back.
  void take_limit() { limit_.store(0, std::memory_order_relaxed); }
  void give_limit() { limit_.store(end_, std::memory_order_relaxed); }

 private:
  std::uintptr_t top_ = 0;
  std::uintptr_t end_ = 0;
  std::atomic<std::uintptr_t> limit_{0};  // end_, or 0
};

// A thread is either running or safe: a safe one touches neither the heap nor its roots, so nobody waits for
// it. It waits when it wants to run and the others are stopped.
class safepoints {
 public:
  // The thread whose buffer this is.
  void enter(allocation_buffer& mine);  // it begins to run
  void leave(allocation_buffer& mine);  // it has ended, being safe; called with all threads stopped
  void become_safe();
  void become_running();
  // What a running thread does now and then.
  void poll() {
    if (stopping_.load(std::memory_order_relaxed)) wait();
  }

  // Calls f() for a running thread, at a safepoint, while no other is in this function and none is being
  // stopped.
  template <class F>
  void exclusively(F f) {
    std::unique_lock hold(lock_);
    wait_while_stopping(hold);
    f();
  }

  // Calls f() with all threads stopped; from a thread that never runs. They see what it did, and it what they
  // did.
  template <class F>
  void stopped(F f) {
    stop();
    f();
    resume();
  }
  // Calls f(buffer) for each thread, which are stopped.
  template <class F>
  void each_buffer(F f) {
    for (allocation_buffer* const one : buffers_) f(*one);
  }

 private:
  void wait();
  void wait_while_stopping(std::unique_lock<std::mutex>& hold);
  void stop();
  void resume();

  std::atomic<bool> stopping_{false};  // changed with the lock held
  std::mutex lock_;                    // of what follows
  std::condition_variable changed_;
  std::vector<allocation_buffer*> buffers_;
  std::size_t running_ = 0;
};

}  // namespace gcheap

#endif
