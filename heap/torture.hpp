// Collections at every n-th allocation, so that a mistake in a collector or its user shows early.
#ifndef GCHEAP_TORTURE_HPP
#define GCHEAP_TORTURE_HPP

#include <cstddef>
#include <cstdint>

namespace gcheap {

class torture {
 public:
  enum class collection : std::uint8_t { none, minor, full };
  static constexpr std::size_t minor_to_full = 16;

  explicit torture(std::size_t period) : period_(period) {}

  [[nodiscard]] bool is_on() const { return period_ != 0; }
  // What is due at the next allocation.
  collection next() {
    if (++allocations_ % period_ != 0) return collection::none;
    return allocations_ / period_ % minor_to_full == 0 ? collection::full : collection::minor;
  }

 private:
  std::size_t period_;
  std::size_t allocations_ = 0;
};

}  // namespace gcheap

#endif
