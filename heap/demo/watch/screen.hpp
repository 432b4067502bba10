// The whole terminal for a while: standard error, on its alternate screen.
#ifndef GCHEAP_DEMO_WATCH_SCREEN_HPP
#define GCHEAP_DEMO_WATCH_SCREEN_HPP

#include <cstddef>
#include <string>
#include <vector>

namespace gcheap::demo {

// At most one at a time. The terminal is as it was when this is gone, and also when the program is
// interrupted, ended, hung up on or stopped by a signal.
class screen {
 public:
  // Whether standard error is a terminal that can be drawn on.
  static bool possible();
  // Whether it understands more than ASCII, and wants colours (NO_COLOR).
  static bool shows_unicode();
  static bool wants_colours();

  screen();
  ~screen();
  screen(const screen&) = delete;
  screen& operator=(const screen&) = delete;

  struct size {
    std::size_t columns;
    std::size_t rows;
  };
  // As it is now, whatever it was before.
  [[nodiscard]] static size current_size();

  // In place of all that was there; no line may be wider than the screen.
  static void draw(const std::vector<std::string>& lines);
};

}  // namespace gcheap::demo

#endif
