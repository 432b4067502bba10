#include "safepoints.hpp"

namespace gcheap {

void safepoints::enter(allocation_buffer& mine) {
  std::unique_lock hold(lock_);
  changed_.wait(hold, [this] { return !stopping_; });
  buffers_.push_back(&mine);
  ++running_;
}

void safepoints::leave(allocation_buffer& mine) {
  const std::lock_guard hold(lock_);
  std::erase(buffers_, &mine);
}

void safepoints::become_safe() {
  const std::lock_guard hold(lock_);
  --running_;
  if (stopping_) changed_.notify_all();
}

void safepoints::become_running() {
  std::unique_lock hold(lock_);
  changed_.wait(hold, [this] { return !stopping_; });
  ++running_;
}

void safepoints::wait() {
  std::unique_lock hold(lock_);
  wait_while_stopping(hold);
}

void safepoints::wait_while_stopping(std::unique_lock<std::mutex>& hold) {
  if (!stopping_) return;
  --running_;
  changed_.notify_all();
  changed_.wait(hold, [this] { return !stopping_; });
  ++running_;
}

void safepoints::stop() {
  std::unique_lock hold(lock_);
  stopping_ = true;
  for (allocation_buffer* const one : buffers_) one->take_limit();
  changed_.wait(hold, [this] { return running_ == 0; });
}

void safepoints::resume() {
  {
    const std::lock_guard hold(lock_);
    stopping_ = false;
  }
  changed_.notify_all();
}

}  // namespace gcheap
