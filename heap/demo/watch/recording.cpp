#include "recording.hpp"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <limits>
#include <new>
#include <utility>

namespace gcheap::demo {
namespace {

constexpr std::array<std::pair<const char*, std::uint32_t cell::*>, 5> members{
    {{"present", &cell::present},
     {"written", &cell::written},
     {"found", &cell::found},
     {"unprotected", &cell::unprotected},
     {"huge", &cell::huge}}};

std::string base64(std::string_view bytes) {
  constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t at = 0; at < bytes.size(); at += 3) {
    std::uint32_t three = 0;
    for (std::size_t i = 0; i < 3; ++i) {
      three = three << 8 | (at + i < bytes.size() ? static_cast<unsigned char>(bytes[at + i]) : 0);
    }
    for (unsigned i = 0; i < 4; ++i) {
      text += at + i <= bytes.size() ? digits[three >> (18 - 6 * i) & 63] : '=';
    }
  }
  return text;
}

std::string compressed(const std::string& bytes) {
  uLongf size = ::compressBound(bytes.size());
  std::string packed(size, '\0');
  const int status = ::compress2(reinterpret_cast<Bytef*>(packed.data()), &size,
                                 reinterpret_cast<const Bytef*>(bytes.data()), bytes.size(), 9);
  if (status != Z_OK) throw std::bad_alloc();  // the only way it can fail with that much room
  packed.resize(size);
  return packed;
}

}  // namespace

void recording::begin(std::string_view barrier) {
  barrier_ = barrier;
  steps_.clear();
  collections_per_step_ = 1;
}

void recording::show(const seen_collection& now) {
  step fresh;
  fresh.last = now;
  fresh.last.pages = {};
  fresh.pages_per_cell = pages_per_cell(now.pages.size(), most_cells);
  fresh.cells = cells_of(now.pages, fresh.pages_per_cell);
  if (!steps_.empty() && steps_.back().collections < collections_per_step_) {
    merge(steps_.back(), std::move(fresh));
    return;
  }
  if (steps_.size() == most_steps) halve();
  steps_.push_back(std::move(fresh));
}

void recording::merge(step& into, step next) {
  next.collections += into.collections;
  next.last.pause_ns = std::max(next.last.pause_ns, into.last.pause_ns);
  next.last.full = next.last.full || into.last.full;
  into = std::move(next);
}

void recording::halve() {
  for (std::size_t i = 0; i < steps_.size() / 2; ++i) {
    step pair = std::move(steps_[2 * i]);
    merge(pair, std::move(steps_[2 * i + 1]));
    steps_[i] = std::move(pair);
  }
  steps_.resize(steps_.size() / 2);
  collections_per_step_ *= 2;
}

void recording::end() {
  runs_.push_back(as_json());
  steps_.clear();
}

nlohmann::json recording::as_json() const {
  // All maps get the cells of the last, which has the most pages.
  const std::size_t per_cell = steps_.empty() ? 1 : steps_.back().pages_per_cell;
  const std::size_t cells = steps_.empty() ? 0 : steps_.back().cells.size();
  std::string maps;
  nlohmann::json steps;
  for (const char* const name : {"number", "collections", "full", "at_ns", "pause_ns", "slots"}) {
    steps[name] = nlohmann::json::array();
  }
  for (const auto& one : members) steps[one.first] = nlohmann::json::array();
  for (const step& one : steps_) {
    steps["number"].push_back(one.last.number);
    steps["collections"].push_back(one.collections);
    steps["full"].push_back(one.last.full ? 1 : 0);
    steps["at_ns"].push_back(one.last.at_ns);
    steps["pause_ns"].push_back(one.last.pause_ns);
    steps["slots"].push_back(one.last.slots);
    std::vector<cell> map(cells);
    for (std::size_t i = 0; i < one.cells.size(); ++i) {
      map[i * one.pages_per_cell / per_cell] += one.cells[i];
    }
    for (const auto& [name, member] : members) {
      steps[name].push_back(one.last.sum.*member);
      for (const cell& all : map) {
        const auto count = std::min<std::uint32_t>(all.*member, std::numeric_limits<std::uint16_t>::max());
        maps += static_cast<char>(count & 0xff);
        maps += static_cast<char>(count >> 8);
      }
    }
  }
  return {{"barrier", barrier_},
          {"kernel_tells", !steps_.empty() && steps_.back().last.kernel_tells},
          {"pages_per_cell", per_cell},
          {"cells", cells},
          {"steps", steps},
          {"map", base64(compressed(maps))}};
}

}  // namespace gcheap::demo
