// A file descriptor that closes itself.
#ifndef GCBARRIER_KERNEL_DESCRIPTOR_HPP
#define GCBARRIER_KERNEL_DESCRIPTOR_HPP

#include <utility>

#include "../version.hpp"
#include "system_calls.hpp"

GCBARRIER_NAMESPACE_BEGIN

namespace kernel {

class descriptor {
 public:
  descriptor() = default;
  descriptor(system_calls calls, int number) : calls_(calls), number_(number) {}
  descriptor(descriptor&& other) noexcept : calls_(other.calls_), number_(other.release()) {}
  descriptor& operator=(descriptor&& other) noexcept {
    std::swap(calls_, other.calls_);
    std::swap(number_, other.number_);
    return *this;
  }
  descriptor(const descriptor&) = delete;
  descriptor& operator=(const descriptor&) = delete;
  ~descriptor() {
    if (number_ >= 0) calls_.close(number_);
  }

  [[nodiscard]] int number() const { return number_; }
  // Gives it up without closing: for one that somebody else has closed, whose number may be another file's by
  // now.
  int release() { return std::exchange(number_, -1); }

 private:
  system_calls calls_;
  int number_ = -1;
};

}  // namespace kernel

GCBARRIER_NAMESPACE_END

#endif
