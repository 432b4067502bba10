// A heap for several mutator threads: a collector on a thread of its own, and a mutator object for each
// thread.
#ifndef GCHEAP_SHARED_HEAP_HPP
#define GCHEAP_SHARED_HEAP_HPP

#include <gcbarrier/address_range.hpp>
#include <gcbarrier/error.hpp>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>

#include "collector.hpp"
#include "object.hpp"
#include "roots.hpp"
#include "safepoints.hpp"

namespace gcheap {

// The collector has a thread because what it allocates from has: a mimalloc heap serves one thread only, and
// a mutator that collected could end while the others go on. A mutator that needs something of it (memory, a
// collection) is safe until it has it, and the collector stops the others first. With one mutator, a
// collector without all this is faster.
//
// Any barrier will do: the store of each may be called from any thread.
template <gcbarrier::write_barrier Barrier>
class shared_heap {
 public:
  using collector_type = collector<Barrier>;

  // As collector::open(); `make_barrier` is called on the collector's thread.
  template <class Factory>
  static gcbarrier::result<std::unique_ptr<shared_heap>> open(const collector_options& options,
                                                              Factory make_barrier) {
    if (options.conservative_stack) {
      return gcbarrier::error{"open a shared heap", ENOTSUP, {}, "it knows no stack to look at; use roots"};
    }
    std::unique_ptr<shared_heap> made(new shared_heap(options));
    gcbarrier::error why;
    made->thread_ = std::thread([heap = made.get()] { heap->serve(); });
    made->ask([&] {
      auto opened = collector_type::open(options, make_barrier);
      if (opened) {
        made->collector_ = std::move(*opened);
        made->collector_->before_collections([heap = made.get()] {
          heap->safepoints_.each_buffer([](allocation_buffer& one) { one.retire(give_up); });
        });
      } else {
        why = opened.error();
      }
    });
    if (why) return why;
    return made;
  }

  // All mutators are gone.
  ~shared_heap() {
    ask([this] {
      collector_.reset();
      ending_ = true;
    });
    thread_.join();
  }
  shared_heap(const shared_heap&) = delete;
  shared_heap& operator=(const shared_heap&) = delete;

  // Calls f(collector&) on the collector's thread with all mutators stopped. From a thread that runs no
  // mutator; one that does has mutator::stopped().
  template <class F>
  void stopped(F f) {
    ask([&] { f(*collector_); });
  }

  class mutator;

 private:
  explicit shared_heap(const collector_options& options)
      : buffer_bytes_(options.torture != 0 ? 0
                                           : std::clamp(options.nursery_bytes / 64, std::size_t{4} << 10,
                                                        std::size_t{64} << 10)) {}

  // What is left of a buffer.
  static void give_up(gcbarrier::address_range rest) { make_free(rest); }

  // Has f() called by the collector's thread with the mutators stopped, and waits for it.
  void ask(const std::function<void()>& f) {
    std::unique_lock hold(lock_);
    request mine{&f, false};
    requests_.push_back(&mine);
    changed_.notify_all();
    changed_.wait(hold, [&] { return mine.done; });
  }

  void serve() {
    std::unique_lock hold(lock_);
    while (!ending_) {
      changed_.wait(hold, [this] { return !requests_.empty(); });
      request& next = *requests_.front();
      requests_.pop_front();
      hold.unlock();
      safepoints_.stopped(*next.call);
      hold.lock();
      next.done = true;
      changed_.notify_all();
    }
  }

  struct request {
    const std::function<void()>* call;
    bool done;
  };

  std::size_t buffer_bytes_;  // larger objects are allocated by the collector; in torture mode all are
  std::unique_ptr<collector_type> collector_;  // its thread's, but for store()
  safepoints safepoints_;
  std::mutex lock_;  // of the requests
  std::condition_variable changed_;
  std::deque<request*> requests_;
  bool ending_ = false;  // the collector's thread only
  std::thread thread_;
};

// What one thread has of the heap, from its construction to its end, one at a time: the same functions that a
// collector has for the only one. Each allocation is a safepoint, at which pointers that are not in roots may
// become stale.
template <gcbarrier::write_barrier Barrier>
class shared_heap<Barrier>::mutator {
 public:
  explicit mutator(shared_heap& heap) : heap_(heap), fresh_(roots_) {
    heap_.ask([this] { heap_.collector_->add_roots(roots_); });
    heap_.safepoints_.enter(buffer_);
  }
  ~mutator() {
    heap_.safepoints_.become_safe();
    // In one step: a collection in between would hand the buffer's memory out again.
    heap_.ask([this] {
      buffer_.retire(give_up);
      heap_.safepoints_.leave(buffer_);
      heap_.collector_->remove_roots(roots_);
    });
  }
  mutator(const mutator&) = delete;
  mutator& operator=(const mutator&) = delete;

  template <class T>
  [[nodiscard]] T* allocate(std::size_t length = 0) {
    return reinterpret_cast<T*>(allocate(T::kind, length));
  }
  [[nodiscard]] object* allocate(const type& kind, std::size_t length = 0) {
    const std::size_t bytes = object_bytes(kind, length);
    if (bytes > heap_.buffer_bytes_) return allocate_in_heap(kind, length);
    void* const fresh = buffer_.allocate(bytes);
    if (fresh == nullptr) return allocate_after_safepoint(kind, length, bytes);
    return initialised(fresh, kind, length, bytes);
  }
  [[nodiscard]] gcbarrier::error out_of_memory() const { return heap_.collector_->out_of_memory(); }

  template <class Field, class T>
  void store(Field& target, T* value) {
    heap_.collector_->store(target, value);
  }

  [[nodiscard]] gcheap::roots& roots() { return roots_; }
  [[nodiscard]] bool is_young(const void* p) const { return heap_.collector_->is_young(p); }

  void collect_minor() {
    stopped([](collector_type& c) { c.collect_minor(); });
  }
  void collect_full() {
    stopped([](collector_type& c) { c.collect_full(); });
  }

  // For long loops that do not allocate.
  void safepoint() { heap_.safepoints_.poll(); }
  // Calls f() while nobody waits for this thread: for whatever may block, as taking a lock that another
  // mutator may hold at a safepoint. It must not touch the heap, nor roots.
  template <class F>
  void blocking(F f) {
    heap_.safepoints_.become_safe();
    f();
    heap_.safepoints_.become_running();
  }
  // Calls f(collector&) on the collector's thread with all mutators stopped, this one too.
  template <class F>
  void stopped(F f) {
    blocking([&] { heap_.stopped(f); });
  }

 private:
  // What another thread collects in the meantime may take a new buffer away again.
  [[gnu::noinline]] object* allocate_after_safepoint(const type& kind, std::size_t length,
                                                     std::size_t bytes) {
    for (;;) {
      std::size_t collections = 0;
      heap_.safepoints_.exclusively([&] {
        collections = heap_.collector_->statistics().collections();
        buffer_.give_limit();
        if (!buffer_.has(bytes)) fill();
      });
      if (void* const fresh = buffer_.allocate(bytes)) return initialised(fresh, kind, length, bytes);
      bool full = false;
      stopped([&](collector_type& c) {
        if (c.statistics().collections() != collections) return;  // another thread's will do
        c.collect_minor();
        full = !fill();
      });
      if (full) return allocate_in_heap(kind, length);
    }
  }
  bool fill() {
    buffer_.retire(give_up);
    void* const memory = heap_.collector_->take_young(heap_.buffer_bytes_);
    if (memory != nullptr) buffer_.refill(memory, heap_.buffer_bytes_);
    return memory != nullptr;
  }
  // A large object, or the last try. In a root until this thread runs.
  object* allocate_in_heap(const type& kind, std::size_t length) {
    stopped([&](collector_type& c) { fresh_ = c.allocate(kind, length); });
    object* const fresh = fresh_;
    fresh_ = nullptr;
    return fresh;
  }

  shared_heap& heap_;
  gcheap::roots roots_;
  allocation_buffer buffer_;
  root<object> fresh_;
};

}  // namespace gcheap

#endif
