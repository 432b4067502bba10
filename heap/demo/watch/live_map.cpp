#include "live_map.hpp"

#include <gcbarrier/kernel/system_calls.hpp>

#include <algorithm>
#include <array>
#include <cstdarg>
#include <cstdio>

#include "cells.hpp"

namespace gcheap::demo {
namespace {

double ms(std::uint64_t ns) {
  return static_cast<double>(ns) / 1e6;
}

[[gnu::format(printf, 1, 2)]] std::string format(const char* how, ...) {
  std::array<char, 256> text{};
  va_list arguments;
  va_start(arguments, how);
  std::vsnprintf(text.data(), text.size(), how, arguments);
  va_end(arguments);
  return text.data();
}

// A line of text that knows how wide it looks.
class line {
 public:
  explicit line(std::size_t columns) : left_(columns) {}
  // ASCII; what does not fit is cut off.
  line& put(std::string_view text) {
    text = text.substr(0, left_);
    text_ += text;
    left_ -= text.size();
    return *this;
  }
  // One sign, of however many bytes.
  line& put_sign(std::string_view sign, std::string_view colour) {
    if (left_ == 0) return *this;
    --left_;
    if (colour != colour_) text_ += colour.empty() ? "\033[0m" : colour;
    colour_ = colour;
    text_ += sign;
    return *this;
  }
  [[nodiscard]] std::string finished() const { return colour_.empty() ? text_ : text_ + "\033[0m"; }

 private:
  std::string text_;
  std::string_view colour_;
  std::size_t left_;
};

// What a cell of the terminal can show is one sign in one colour: that of the most frequent of these.
struct look {
  const char* name;
  char letter;  // without Unicode or colours
  std::string_view colour;
};
constexpr look found{"young pointers found", '#', "\033[38;5;33m"};
constexpr look in_vain{"searched in vain", 'o', "\033[38;5;214m"};
constexpr look unprotected{"left unprotected", 'u', "\033[38;5;170m"};
constexpr look huge{"huge", 'H', "\033[38;5;36m"};
constexpr look clean{"clean", '.', "\033[38;5;244m"};

struct chosen {
  const look* looks;
  std::uint32_t pages;
};

chosen look_of(const cell& c) {
  const std::array<chosen, 3> candidates{
      {{&found, c.found}, {&in_vain, c.written - c.found}, {&unprotected, c.unprotected}}};
  const chosen most = *std::max_element(candidates.begin(), candidates.end(),
                                        [](const chosen& a, const chosen& b) { return a.pages < b.pages; });
  if (most.pages != 0) return most;
  return c.huge != 0 ? chosen{&huge, c.huge} : chosen{&clean, 0};
}

void put_cell(line& to, const cell& c, map_style style) {
  if (c.present == 0) {
    to.put_sign(" ", "");
    return;
  }
  const chosen it = look_of(c);
  const std::string_view colour = style.colours ? it.looks->colour : "";
  // By how much of the cell it is. Without colours the letter has to tell what it is.
  constexpr std::array<std::string_view, 5> shades{"\u00b7", "\u2591", "\u2592", "\u2593", "\u2588"};
  if (style.unicode && style.colours) {
    to.put_sign(shades.at(it.pages == 0 ? 0 : 1 + std::min(3U, (4 * it.pages - 1) / c.present)), colour);
  } else {
    to.put_sign(std::string_view(&it.looks->letter, 1), colour);
  }
}

std::string legend(std::size_t columns, map_style style) {
  line text(columns);
  for (const look* one : {&found, &in_vain, &unprotected, &huge, &clean}) {
    const bool shade = style.unicode && style.colours && one != &clean;
    text.put_sign(shade ? "\u2588" : std::string_view(&one->letter, 1), style.colours ? one->colour : "");
    text.put_sign(" ", "").put(one->name).put("  ");
  }
  return text.finished();
}

std::string pause_graph(const std::vector<std::uint64_t>& pauses, std::size_t columns, map_style style) {
  constexpr std::array<std::string_view, 8> bars{"\u2581", "\u2582", "\u2583", "\u2584",
                                                 "\u2585", "\u2586", "\u2587", "\u2588"};
  constexpr std::string_view letters = ".:-=+*#@";
  constexpr std::size_t words = 32;  // for what stands beside the graph
  const std::size_t room = columns > words ? columns - words : 0;
  const std::size_t first = pauses.size() > room ? pauses.size() - room : 0;
  std::uint64_t longest = 1;
  for (std::size_t i = first; i < pauses.size(); ++i) longest = std::max(longest, pauses[i]);
  line text(columns);
  text.put("pauses ");
  for (std::size_t i = first; i < pauses.size(); ++i) {
    const std::size_t height = std::min<std::size_t>(7, 8 * pauses[i] / longest);
    text.put_sign(style.unicode ? bars.at(height) : letters.substr(height, 1), "");
  }
  text.put(format(" up to %.2f ms", ms(longest)));
  return text.finished();
}

}  // namespace

std::vector<std::string> picture_of(std::string_view barrier, const seen_collection& now,
                                    const std::vector<std::uint64_t>& pauses_ns, screen::size size,
                                    map_style style) {
  constexpr std::size_t beside_the_map = 6;
  const std::size_t rows = size.rows > beside_the_map ? size.rows - beside_the_map : 1;
  const std::size_t columns = std::max<std::size_t>(size.columns, 1);
  const std::size_t per_cell = pages_per_cell(now.pages.size(), rows * columns);
  const std::vector<cell> cells = cells_of(now.pages, per_cell);

  std::vector<std::string> lines;
  const auto say = [&](const std::string& text) { lines.push_back(line(columns).put(text).finished()); };
  say(format("%.*s  %.0f %%  collection %llu, %s  pause %.2f ms", static_cast<int>(barrier.size()),
             barrier.data(), 100 * now.done, static_cast<unsigned long long>(now.number),
             now.full ? "full" : "minor", ms(now.pause_ns)));
  say(format("%u pages searched, %u in vain; %u unprotected, %u huge, of %u; %llu slots", now.sum.written,
             now.sum.written - now.sum.found, now.sum.unprotected, now.sum.huge, now.sum.present,
             static_cast<unsigned long long>(now.slots)));
  say("");
  for (std::size_t at = 0; at < cells.size(); at += columns) {
    line row(columns);
    for (std::size_t i = at; i < std::min(at + columns, cells.size()); ++i) put_cell(row, cells[i], style);
    lines.push_back(row.finished());
  }
  lines.push_back(legend(columns, style));
  say(format("a sign is %zu pages, %zu KiB, shown as what most of them are that are not clean", per_cell,
             per_cell * gcbarrier::kernel::page_size() / 1024));
  lines.push_back(pause_graph(pauses_ns, columns, style));
  if (lines.size() > size.rows) lines.resize(size.rows);
  return lines;
}

std::string line_of(std::string_view barrier, const seen_collection& now) {
  return format(
      "%-16.*s %3.0f %%  collection %4llu %-5s  pause %7.2f ms  pages: %7u searched %7u in vain %7u "
      "unprotected "
      "%7u huge of %7u  %8llu slots",
      static_cast<int>(barrier.size()), barrier.data(), 100 * now.done,
      static_cast<unsigned long long>(now.number), now.full ? "full" : "minor", ms(now.pause_ns),
      now.sum.written, now.sum.written - now.sum.found, now.sum.unprotected, now.sum.huge, now.sum.present,
      static_cast<unsigned long long>(now.slots));
}

live_map::live_map()
    : screen_(screen::possible() ? std::make_unique<screen>() : nullptr),
      style_{screen::shows_unicode(), screen::wants_colours()} {}

void live_map::begin(std::string_view barrier) {
  barrier_ = barrier;
  pauses_ns_.clear();
  shown_ = {};
}

void live_map::show(const seen_collection& now) {
  pauses_ns_.push_back(now.pause_ns);
  const auto often = screen_ != nullptr ? std::chrono::milliseconds(50) : std::chrono::milliseconds(500);
  if (clock::now() - shown_ < often) return;
  shown_ = clock::now();
  if (screen_ != nullptr) {
    screen::draw(picture_of(barrier_, now, pauses_ns_, screen::current_size(), style_));
  } else {
    std::fprintf(stderr, "%s\n", line_of(barrier_, now).c_str());
  }
}

}  // namespace gcheap::demo
