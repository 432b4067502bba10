#include "cells.hpp"

#include <algorithm>

#include "page_states.hpp"

namespace gcheap::demo {

cell& cell::operator+=(const cell& other) {
  present += other.present;
  written += other.written;
  found += other.found;
  unprotected += other.unprotected;
  huge += other.huge;
  return *this;
}

cell sum_of(std::span<const std::uint8_t> pages) {
  cell sum;
  for (const std::uint8_t flags : pages) {
    sum.present += (flags & page_states::present) != 0;
    sum.written += (flags & page_states::written) != 0;
    sum.found += (flags & page_states::found) != 0;
    sum.unprotected += (flags & page_states::unprotected) != 0;
    sum.huge += (flags & page_states::huge) != 0;
  }
  return sum;
}

std::vector<cell> cells_of(std::span<const std::uint8_t> pages, std::size_t pages_per_cell) {
  std::vector<cell> cells;
  cells.reserve(pages.size() / pages_per_cell + 1);
  for (std::size_t at = 0; at < pages.size(); at += pages_per_cell) {
    cells.push_back(sum_of(pages.subspan(at, std::min(pages_per_cell, pages.size() - at))));
  }
  return cells;
}

std::size_t pages_per_cell(std::size_t pages, std::size_t most) {
  std::size_t per_cell = 1;
  while ((pages + per_cell - 1) / per_cell > most) per_cell *= 2;
  return per_cell;
}

}  // namespace gcheap::demo
