// The marking of a full collection on a thread of its own, while the mutator runs.
#ifndef GCHEAP_CONCURRENT_MARKER_HPP
#define GCHEAP_CONCURRENT_MARKER_HPP

#include <gcbarrier/address_range.hpp>
#include <gcbarrier/error.hpp>
#include <gcbarrier/page_bitmap.hpp>

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <thread>
#include <utility>
#include <vector>

#include "object.hpp"
#include "space.hpp"

namespace gcheap {

// Marks old objects from the roots as they were at begin(), looking into no young ones. What it can miss is
// reached by a pointer that was written to memory it had scanned, or that is in a root or a young object. So
// it is told what was written, scans the marked objects there again, round by round until little is left, and
// finish() does the rest with the world stopped. Why that is enough: docs/heap.md.
//
// But for the last two functions, only the collector's thread calls, and with the world stopped, unless it
// says otherwise.
class concurrent_marker {
 public:
  // `granule`: runs of memory that it is told of begin and end on multiples of this. The space's marks are
  // clear, and belong to the marker from begin() on. ENOMEM, or EAGAIN where no thread can be had.
  static gcbarrier::result<std::unique_ptr<concurrent_marker>> start(space& memory, std::size_t granule);
  ~concurrent_marker();
  concurrent_marker(const concurrent_marker&) = delete;
  concurrent_marker& operator=(const concurrent_marker&) = delete;

  // The roots are given by their values.
  void begin(std::span<void* const> roots);
  // Between begin() and finish() or abandon().
  [[nodiscard]] bool running() const { return running_; }

  // While it runs, in each pause: what the barrier says was written since the last one, and every object that
  // became old, once it is filled in; then hand_over() or finish().
  void written(gcbarrier::address_range run) { told_.set(run); }
  void promoted(object* fresh);
  void hand_over();
  // A large object, which is born old, with all its pointers null. The world need not be stopped.
  void born(const object* fresh) { memory_.marks.claim_shared(fresh); }

  // So little is left that the world may be stopped for it, or it has tried often enough.
  [[nodiscard]] bool ready();
  // Marks the rest, when it is ready: after that the marks are complete, those of young objects too.
  void finish(std::span<void* const> roots);
  // Forgets all that it did, ready or not; the marks are clear then.
  void abandon();

  struct counters {
    std::uint64_t rounds = 0;         // of scanning again while the mutator ran
    std::uint64_t written_bytes = 0;  // scanned again in them
    std::uint64_t rest_bytes = 0;     // scanned again in finish()
    std::uint64_t mark_ns = 0;        // from begin() until it was ready
  };
  // Of the last finish()ed mark.
  [[nodiscard]] const counters& last() const { return counters_; }

  // For tests: calls hook(object) on the marker's thread before it scans an object that it has marked. While
  // it is idle.
  void on_scan(std::function<void(const object*)> hook) { on_scan_ = std::move(hook); }

 private:
  enum class state : std::uint8_t { idle, marking, ready, ending };

  explicit concurrent_marker(space& memory) : memory_(memory) {}

  void run();
  void mark();
  [[nodiscard]] bool take_round();
  void trace();
  std::uint64_t scan_again(const gcbarrier::page_bitmap& pages);
  void scan_again(gcbarrier::address_range run);
  void push(void* target) {
    if (traced_.contains(target) && memory_.marks.claim_shared(target)) {
      stack_.push_back(static_cast<object*>(target));
    }
  }
  void push_slot(void** slot);

  space& memory_;
  gcbarrier::address_range traced_;  // the old space, or all of it with the world stopped
  std::vector<object*> stack_;       // of the marker's thread while it is marking
  gcbarrier::page_bitmap told_;      // in this pause
  gcbarrier::page_bitmap again_;     // that the marker is scanning again, or will
  std::function<void(const object*)> on_scan_;
  bool running_ = false;
  std::uint64_t begun_ = 0;
  counters counters_;
  std::atomic<bool> cancelled_{false};

  std::mutex lock_;  // of what follows
  std::condition_variable changed_;
  state state_ = state::idle;
  gcbarrier::page_bitmap handed_over_;

  std::thread thread_;  // last: all the rest is there when it starts
};

}  // namespace gcheap

#endif
