// What the collector knows about a kind of object: its size and where its pointers are.
#ifndef GCHEAP_TYPE_HPP
#define GCHEAP_TYPE_HPP

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace gcheap {

// What follows the fixed part of a variable-length object.
enum class tail : std::uint8_t { none, bytes, pointers };

// A type lives as long as any object of it: it is meant to be a constant. Aligned so that a header has room
// for flags and an age beside its address.
struct alignas(64) type {
  const char* name;
  std::size_t fixed_bytes;                       // the fixed part with its header
  std::span<const std::uint32_t> pointers = {};  // offsets of the pointer fields in the fixed part, in bytes
  tail variable = tail::none;
  // Written here and there rather than many stores to a page: all its pointer fields are scattered_field
  // (object.hpp), and a hybrid barrier keeps such objects in memory of their own, covered by cards.
  bool scattered = false;
};

namespace detail {
template <std::uint32_t... Offsets>
inline constexpr std::array<std::uint32_t, sizeof...(Offsets)> offsets{Offsets...};
}

// A type for struct T, which begins with an object (object.hpp); the arguments are offsetof(T, field) of
// every pointer field. T with a tail begins with a variable_object.
template <class T, std::uint32_t... Offsets>
constexpr type describe(const char* name, tail variable = tail::none) {
  return {name, sizeof(T), detail::offsets<Offsets...>, variable, false};
}
template <class T, std::uint32_t... Offsets>
constexpr type describe_scattered(const char* name, tail variable = tail::none) {
  return {name, sizeof(T), detail::offsets<Offsets...>, variable, true};
}

}  // namespace gcheap

#endif
