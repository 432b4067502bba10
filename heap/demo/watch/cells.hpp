// A map of many pages in few cells: a cell counts the pages of each kind among neighbours.
#ifndef GCHEAP_DEMO_WATCH_CELLS_HPP
#define GCHEAP_DEMO_WATCH_CELLS_HPP

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace gcheap::demo {

// Numbers of pages. `found` are among those written; the last two are as the collection left them.
struct cell {
  std::uint32_t present = 0;
  std::uint32_t written = 0;
  std::uint32_t found = 0;
  std::uint32_t unprotected = 0;
  std::uint32_t huge = 0;

  cell& operator+=(const cell& other);
  friend bool operator==(const cell&, const cell&) = default;
};

// `pages` are flags of page_states. Each cell counts `pages_per_cell` of them, the last one the rest.
std::vector<cell> cells_of(std::span<const std::uint8_t> pages, std::size_t pages_per_cell);
cell sum_of(std::span<const std::uint8_t> pages);

// The least power of two with which no more than `most` cells hold them.
std::size_t pages_per_cell(std::size_t pages, std::size_t most);

}  // namespace gcheap::demo

#endif
