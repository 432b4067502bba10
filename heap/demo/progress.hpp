// How far the demo is, on standard error: one live line on a terminal, a line per quarter elsewhere.
#ifndef GCHEAP_DEMO_PROGRESS_HPP
#define GCHEAP_DEMO_PROGRESS_HPP

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <string>

namespace gcheap::demo {

class progress {
 public:
  // `shown`: else it only counts.
  progress(std::string task, std::size_t total_bytes, bool shown = true);
  // Removes the live line.
  ~progress();
  progress(const progress&) = delete;
  progress& operator=(const progress&) = delete;

  // Cheap enough to be called once a line of text.
  void advance(std::size_t bytes) {
    done_ += bytes;
    if (shown_ && done_ >= next_look_) look();
  }
  [[nodiscard]] double share() const {
    return std::min(1.0, static_cast<double>(done_) / static_cast<double>(total_));
  }
  // What else to show: set before it is needed, at each collection.
  void set_details(std::size_t collections, std::size_t old_bytes) {
    collections_ = collections;
    old_bytes_ = old_bytes;
  }

 private:
  void look();
  void print(const char* before, const char* after);

  std::string task_;
  std::size_t total_;
  bool shown_;
  bool live_;
  std::size_t done_ = 0;
  std::size_t next_look_ = 0;
  std::size_t quarter_ = 0;
  std::size_t collections_ = 0;
  std::size_t old_bytes_ = 0;
  std::chrono::steady_clock::time_point start_;
  std::chrono::steady_clock::time_point printed_;
};

}  // namespace gcheap::demo

#endif
