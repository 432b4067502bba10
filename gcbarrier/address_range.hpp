// A half-open range of addresses: the currency of the whole library.
#ifndef GCBARRIER_ADDRESS_RANGE_HPP
#define GCBARRIER_ADDRESS_RANGE_HPP

#include <cstddef>
#include <cstdint>

#include "version.hpp"

GCBARRIER_NAMESPACE_BEGIN

struct address_range {
  std::uintptr_t begin = 0;
  std::uintptr_t end = 0;  // one past the last byte

  constexpr address_range() = default;
  constexpr address_range(std::uintptr_t first, std::uintptr_t last) : begin(first), end(last) {}
  address_range(const void* base, std::size_t size)
      : begin(reinterpret_cast<std::uintptr_t>(base)), end(begin + size) {}

  [[nodiscard]] constexpr std::size_t bytes() const { return end - begin; }
  [[nodiscard]] constexpr bool empty() const { return end <= begin; }
  [[nodiscard]] constexpr bool contains(std::uintptr_t address) const {
    return address >= begin && address < end;
  }
  [[nodiscard]] bool contains(const void* address) const {
    return contains(reinterpret_cast<std::uintptr_t>(address));
  }
  [[nodiscard]] constexpr bool contains(address_range other) const {
    return other.begin >= begin && other.end <= end;
  }
  [[nodiscard]] constexpr bool overlaps(address_range other) const {
    return begin < other.end && other.begin < end;
  }
  // The common part; empty where there is none.
  [[nodiscard]] constexpr address_range intersection(address_range other) const {
    const address_range common{begin > other.begin ? begin : other.begin, end < other.end ? end : other.end};
    return common.empty() ? address_range{} : common;
  }
  // The smallest range of whole granules (a power of two) that covers this one.
  [[nodiscard]] constexpr address_range widened_to(std::size_t granule) const {
    return {begin & ~(granule - 1), (end + granule - 1) & ~(granule - 1)};
  }
  [[nodiscard]] constexpr bool aligned_to(std::size_t granule) const {
    return ((begin | end) & (granule - 1)) == 0;
  }

  friend constexpr bool operator==(address_range, address_range) = default;
};

GCBARRIER_NAMESPACE_END

#endif
