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

template <class T>
struct array {
  variable_object header;
  // the pointers

  static const type kind;
  field<T>& operator[](std::size_t i) { return elements<T>(&header)[i]; }
  [[nodiscard]] std::size_t size() const { return header.length; }
};
template <class T>
inline const type array<T>::kind = describe<array<T>>("array", tail::pointers);

}  // namespace gcheap::workload

#endif
