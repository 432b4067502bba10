// What the demo shows of each collection, and those who show it.
#ifndef GCHEAP_DEMO_WATCH_VIEWER_HPP
#define GCHEAP_DEMO_WATCH_VIEWER_HPP

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "cells.hpp"

namespace gcheap::demo {

struct seen_collection {
  std::uint64_t number = 0;  // from 1
  bool full = false;
  std::uint64_t at_ns = 0;  // when it ended, from the heap's opening, without the time that watching took
  std::uint64_t pause_ns = 0;
  std::uint64_t slots = 0;              // old ones that were found to point into the nursery
  std::span<const std::uint8_t> pages;  // flags of page_states
  cell sum;                             // of all pages
  bool kernel_tells = false;            // which pages are in memory, unprotected and huge
  double done = 0;                      // of the program, 0 to 1
};

// The runs come one after the other. What a call is given is good during the call only.
class viewer {
 public:
  virtual ~viewer() = default;
  virtual void begin(std::string_view barrier) = 0;
  virtual void show(const seen_collection& now) = 0;
  virtual void end() = 0;
};

}  // namespace gcheap::demo

#endif
