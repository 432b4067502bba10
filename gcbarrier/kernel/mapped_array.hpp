// Memory for the library's own tables, straight from the kernel: never from malloc, which may be the tracked
// heap.
#ifndef GCBARRIER_KERNEL_MAPPED_ARRAY_HPP
#define GCBARRIER_KERNEL_MAPPED_ARRAY_HPP

#include <cerrno>
#include <cstddef>
#include <new>
#include <span>
#include <type_traits>
#include <utility>

#include "../error.hpp"
#include "../version.hpp"
#include "system_calls.hpp"

GCBARRIER_NAMESPACE_BEGIN

namespace kernel {

// A vector over private anonymous memory. Capacity is address space: a page of it costs memory once it is
// touched, so reserving for the worst case is cheap and appending within the capacity never allocates.
template <class T>
class mapped_array {
  static_assert(std::is_nothrow_move_constructible_v<T> && std::is_nothrow_move_assignable_v<T>);

 public:
  mapped_array() = default;
  explicit mapped_array(system_calls calls) : calls_(calls) {}
  mapped_array(mapped_array&& other) noexcept { swap(other); }
  mapped_array& operator=(mapped_array&& other) noexcept {
    swap(other);
    return *this;
  }
  mapped_array(const mapped_array&) = delete;
  mapped_array& operator=(const mapped_array&) = delete;
  ~mapped_array() {
    truncate(0);
    release();
  }

  // Room for at least `count` elements in all. Moves what is there.
  error reserve(std::size_t count) {
    if (count <= capacity_) return {};
    const std::size_t bytes = (count * sizeof(T) + page_size() - 1) / page_size() * page_size();
    const long answer = calls_.map(bytes);
    if (failed(answer)) {
      return {"mmap", static_cast<int>(-answer), {}, "the library's own tables need more address space"};
    }
    T* const fresh = reinterpret_cast<T*>(answer);
    for (std::size_t i = 0; i < size_; ++i) {
      ::new (static_cast<void*>(fresh + i)) T(std::move(data_[i]));
      data_[i].~T();
    }
    release();
    data_ = fresh;
    capacity_ = bytes / sizeof(T);
    mapped_bytes_ = bytes;
    return {};
  }

  // Makes the size `count`, new elements value-initialised. Needs reserve(count) first.
  void resize(std::size_t count) {
    truncate(count);
    while (size_ < count) push_back(T{});
  }
  void push_back(T value) { ::new (static_cast<void*>(data_ + size_++)) T(std::move(value)); }
  void insert(std::size_t at, T value) {
    push_back(std::move(value));
    for (std::size_t i = size_ - 1; i > at; --i) std::swap(data_[i], data_[i - 1]);
  }
  void erase(std::size_t at) {
    for (std::size_t i = at; i + 1 < size_; ++i) data_[i] = std::move(data_[i + 1]);
    truncate(size_ - 1);
  }
  void truncate(std::size_t count) {
    while (size_ > count) data_[--size_].~T();
  }

  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] std::size_t capacity() const { return capacity_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }
  T* data() { return data_; }
  T& operator[](std::size_t i) { return data_[i]; }
  const T& operator[](std::size_t i) const { return data_[i]; }
  T& back() { return data_[size_ - 1]; }
  T* begin() { return data_; }
  T* end() { return data_ + size_; }
  const T* begin() const { return data_; }
  const T* end() const { return data_ + size_; }
  [[nodiscard]] std::span<const T> items() const { return {data_, size_}; }

 private:
  void swap(mapped_array& other) noexcept {
    std::swap(calls_, other.calls_);
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(capacity_, other.capacity_);
    std::swap(mapped_bytes_, other.mapped_bytes_);
  }
  void release() {
    if (data_ != nullptr) calls_.unmap(data_, mapped_bytes_);
    data_ = nullptr;
    capacity_ = mapped_bytes_ = 0;
  }

  system_calls calls_;
  T* data_ = nullptr;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
  std::size_t mapped_bytes_ = 0;
};

}  // namespace kernel

GCBARRIER_NAMESPACE_END

#endif
