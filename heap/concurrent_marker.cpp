#include "concurrent_marker.hpp"

#include <cerrno>
#include <system_error>
#include <utility>

#include "slot.hpp"
#include "stopwatch.hpp"

namespace gcheap {
namespace {

// Scanning that much again takes about a millisecond; a nursery's worth of promoted objects is as much.
constexpr std::size_t small_rest = std::size_t{1} << 20;
// A mutator that writes faster than it is followed must not hold off the end for ever.
constexpr std::uint64_t most_rounds = 8;

template <class F>
void each_run(const gcbarrier::page_bitmap& pages, F f) {
  for (gcbarrier::address_range run = pages.next_run(0); !run.empty(); run = pages.next_run(run.end)) f(run);
}

}  // namespace

gcbarrier::result<std::unique_ptr<concurrent_marker>> concurrent_marker::start(space& memory,
                                                                               std::size_t granule) {
  std::unique_ptr<concurrent_marker> made(new concurrent_marker(memory));
  for (gcbarrier::page_bitmap* const pages : {&made->told_, &made->again_, &made->handed_over_}) {
    if (const gcbarrier::error why = pages->cover(memory.old->range(), granule)) return why;
    pages->clear();
  }
  try {
    made->thread_ = std::thread([marker = made.get()] { marker->run(); });
  } catch (const std::system_error& why) {
    return gcbarrier::error{"start the marker's thread", why.code().value(), {}, "open the heap without one"};
  }
  made->traced_ = memory.old->range();
  return made;
}

concurrent_marker::~concurrent_marker() {
  if (!thread_.joinable()) return;
  cancelled_ = true;
  {
    std::unique_lock hold(lock_);
    changed_.wait(hold, [this] { return state_ != state::marking; });
    state_ = state::ending;
  }
  changed_.notify_all();
  thread_.join();
}

void concurrent_marker::begin(std::span<void* const> roots) {
  for (void* const root : roots) push(root);
  running_ = true;
  counters_ = {};
  begun_ = now();
  {
    const std::lock_guard hold(lock_);
    state_ = state::marking;
  }
  changed_.notify_all();
}

// It counts as scanned, as its pointers are found where it was written to: all of it was, just now.
void concurrent_marker::promoted(object* fresh) {
  memory_.marks.claim_shared(fresh);
  told_.set({fresh, bytes_of(fresh)});
}

void concurrent_marker::hand_over() {
  {
    const std::lock_guard hold(lock_);
    handed_over_.merge(told_);
  }
  told_.clear();
}

bool concurrent_marker::ready() {
  const std::lock_guard hold(lock_);
  return state_ == state::ready;
}

void concurrent_marker::finish(std::span<void* const> roots) {
  hand_over();
  traced_ = memory_.range();
  for (void* const root : roots) push(root);
  trace();
  counters_.rest_bytes = scan_again(handed_over_);
  trace();
  traced_ = memory_.old->range();
  handed_over_.clear();
  running_ = false;
  const std::lock_guard hold(lock_);
  state_ = state::idle;
}

void concurrent_marker::abandon() {
  cancelled_ = true;
  {
    std::unique_lock hold(lock_);
    changed_.wait(hold, [this] { return state_ != state::marking; });
    state_ = state::idle;
    handed_over_.clear();
  }
  cancelled_ = false;
  told_.clear();
  again_.clear();
  stack_.clear();
  for (std::size_t chunk = 0; chunk < memory_.map.chunk_count(); ++chunk)
    memory_.map.clear(memory_.marks, chunk);
  running_ = false;
}

void concurrent_marker::run() {
  std::unique_lock hold(lock_);
  for (;;) {
    changed_.wait(hold, [this] { return state_ == state::marking || state_ == state::ending; });
    if (state_ == state::ending) return;
    hold.unlock();
    mark();
    hold.lock();
    state_ = state::ready;
    changed_.notify_all();
  }
}

void concurrent_marker::mark() {
  trace();
  while (!cancelled_ && take_round()) {
    counters_.written_bytes += scan_again(again_);
    again_.clear();
    trace();
  }
  counters_.mark_ns = now() - begun_;
}

// Whether there is enough to scan again; it is in again_ then.
bool concurrent_marker::take_round() {
  const std::lock_guard hold(lock_);
  std::size_t bytes = 0;
  each_run(handed_over_, [&](gcbarrier::address_range run) { bytes += run.bytes(); });
  if (bytes <= small_rest || counters_.rounds == most_rounds) return false;
  ++counters_.rounds;
  std::swap(again_, handed_over_);
  return true;
}

void concurrent_marker::push_slot(void** slot) {
  push(load_slot(slot));
}

void concurrent_marker::trace() {
  while (!stack_.empty() && !cancelled_.load(std::memory_order_relaxed)) {
    object* const o = stack_.back();
    stack_.pop_back();
    if (on_scan_) on_scan_(o);
    each_slot(o, [this](void** slot) { push_slot(slot); });
  }
}

std::uint64_t concurrent_marker::scan_again(const gcbarrier::page_bitmap& pages) {
  std::uint64_t bytes = 0;
  each_run(pages, [&](gcbarrier::address_range run) {
    scan_again(run);
    bytes += run.bytes();
  });
  return bytes;
}

// The marked objects in the run, as far as they lie in it. One that is not marked yet will be scanned when it
// is. An object is looked at after its mark only: others are being filled in.
void concurrent_marker::scan_again(gcbarrier::address_range run) {
  const auto scan = [&](object* o) { each_slot_within(o, run, [this](void** slot) { push_slot(slot); }); };
  object* const reaching_in = memory_.map.last_before(run.begin);
  if (reaching_in != nullptr && memory_.marks.test_shared(reaching_in)) scan(reaching_in);
  memory_.marks.each_shared(run, [&](std::uintptr_t at) {
    scan(reinterpret_cast<object*>(at));  // NOLINT(performance-no-int-to-ptr)
  });
}

}  // namespace gcheap
