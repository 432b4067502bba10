// What a workload throws when the heap has no room for it.
#ifndef GCHEAP_WORKLOAD_OUT_OF_MEMORY_HPP
#define GCHEAP_WORKLOAD_OUT_OF_MEMORY_HPP

#include <gcbarrier/error.hpp>

#include <array>
#include <stdexcept>

namespace gcheap::workload {

class out_of_memory : public std::runtime_error {
 public:
  explicit out_of_memory(const gcbarrier::error& why) : std::runtime_error(line(why).data()) {}

 private:
  static std::array<char, 256> line(const gcbarrier::error& why) {
    std::array<char, 256> text{};
    why.describe(text.data(), text.size());
    return text;
  }
};

// A new T, or the exception.
template <class T, class Heap>
T* make(Heap& heap, std::size_t length = 0) {
  T* const fresh = heap.template allocate<T>(length);
  if (fresh == nullptr) throw out_of_memory(heap.out_of_memory());
  return fresh;
}

}  // namespace gcheap::workload

#endif
