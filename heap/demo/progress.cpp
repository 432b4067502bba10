#include "progress.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <utility>

namespace gcheap::demo {

using clock = std::chrono::steady_clock;

progress::progress(std::string task, std::size_t total_bytes, bool shown)
    : task_(std::move(task)),
      total_(total_bytes),
      shown_(shown),
      live_(shown && ::isatty(STDERR_FILENO) != 0),
      start_(clock::now()) {}

progress::~progress() {
  if (live_) std::fputs("\r\033[K", stderr);
}

void progress::look() {
  next_look_ = done_ + (std::size_t{64} << 10);
  if (live_) {
    if (clock::now() - printed_ < std::chrono::milliseconds(100)) return;
    printed_ = clock::now();
    print("\r", "\033[K");
    return;
  }
  const std::size_t quarter = 4 * done_ / total_;
  if (quarter == quarter_ || quarter >= 4) return;
  quarter_ = quarter;
  print("", "\n");
}

void progress::print(const char* before, const char* after) {
  constexpr double mb = 1e6;
  const double seconds = std::max(1e-3, std::chrono::duration<double>(clock::now() - start_).count());
  const auto done = static_cast<double>(std::min(done_, total_));
  std::fprintf(stderr, "%s%-16s %3.0f %%  %6.1f MB/s  %4zu collections  %5.0f MB old%s", before,
               task_.c_str(), 100 * done / static_cast<double>(total_), done / mb / seconds, collections_,
               static_cast<double>(old_bytes_) / mb, after);
  std::fflush(stderr);
}

}  // namespace gcheap::demo
