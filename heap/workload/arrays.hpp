// Objects of variable length that several workloads use: a string and an array of pointers.
#ifndef GCHEAP_WORKLOAD_ARRAYS_HPP
#define GCHEAP_WORKLOAD_ARRAYS_HPP

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "../object.hpp"
#include "../type.hpp"

namespace gcheap::workload {

struct text {
  variable_object header;
  std::uint64_t hash;
  // the characters

  static const type kind;
  [[nodiscard]] std::string_view view() const { return {bytes(&header), header.length}; }
};
inline const type text::kind = describe<text>("text", tail::bytes);

template <class T, bool Scattered>
struct basic_array {
  variable_object header;
  // the pointers

  static const type kind;
  basic_field<T, Scattered>& operator[](std::size_t i) { return elements<T, Scattered>(&header)[i]; }
  [[nodiscard]] std::size_t size() const { return header.length; }
};
template <class T, bool Scattered>
inline const type basic_array<T, Scattered>::kind = Scattered
                                                        ? describe_scattered<basic_array>("scattered_array",
                                                                                          tail::pointers)
                                                        : describe<basic_array>("array", tail::pointers);
template <class T>
using array = basic_array<T, false>;
template <class T>
using scattered_array = basic_array<T, true>;

}  // namespace gcheap::workload

#endif
