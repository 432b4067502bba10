// The map of the old space while the demo runs: on a terminal as a picture, elsewhere in plain lines.
#ifndef GCHEAP_DEMO_WATCH_LIVE_MAP_HPP
#define GCHEAP_DEMO_WATCH_LIVE_MAP_HPP

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "screen.hpp"
#include "viewer.hpp"

namespace gcheap::demo {

struct map_style {
  bool unicode = false;
  bool colours = false;
};

// The picture of a collection in lines no wider and no more than the size allows. `pauses_ns`: of the
// collections so far.
std::vector<std::string> picture_of(std::string_view barrier, const seen_collection& now,
                                    const std::vector<std::uint64_t>& pauses_ns, screen::size size,
                                    map_style style);
// The same in words and numbers.
std::string line_of(std::string_view barrier, const seen_collection& now);

// On standard error.
class live_map final : public viewer {
 public:
  live_map();

  [[nodiscard]] bool has_screen() const { return screen_ != nullptr; }

  void begin(std::string_view barrier) override;
  void show(const seen_collection& now) override;
  void end() override {}

 private:
  using clock = std::chrono::steady_clock;

  std::unique_ptr<screen> screen_;  // null without a terminal
  map_style style_;
  std::string barrier_;
  std::vector<std::uint64_t> pauses_ns_;
  clock::time_point shown_;
};

}  // namespace gcheap::demo

#endif
