// The runs of a demo, kept small enough to be replayed in a page of a few MB.
#ifndef GCHEAP_DEMO_WATCH_RECORDING_HPP
#define GCHEAP_DEMO_WATCH_RECORDING_HPP

#include <nlohmann/json.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "viewer.hpp"

namespace gcheap::demo {

// A step of the recording is one collection; in a long run, the last of several in a row, with the longest of
// their pauses.
class recording final : public viewer {
 public:
  static constexpr std::size_t most_steps = 512;
  static constexpr std::size_t most_cells = 2048;

  void begin(std::string_view barrier) override;
  void show(const seen_collection& now) override;
  void end() override;

  // An object for each run, in the format that replay.js reads. "map" holds for each step, for each member of
  // `cell`, for each cell a 16-bit number, little endian, compressed by zlib, in base64.
  [[nodiscard]] const nlohmann::json& runs() const { return runs_; }

 private:
  struct step {
    std::uint64_t collections = 1;  // it stands for so many, and shows the last
    seen_collection last;           // without its pages
    std::size_t pages_per_cell = 1;
    std::vector<cell> cells;
  };

  static void merge(step& into, step next);
  void halve();
  [[nodiscard]] nlohmann::json as_json() const;

  nlohmann::json runs_ = nlohmann::json::array();
  std::string barrier_;
  std::vector<step> steps_;
  std::uint64_t collections_per_step_ = 1;
};

}  // namespace gcheap::demo

#endif
