// Address space from the kernel, which costs memory only where it is touched.
#ifndef GCHEAP_RESERVATION_HPP
#define GCHEAP_RESERVATION_HPP

#include <gcbarrier/address_range.hpp>
#include <gcbarrier/error.hpp>

#include <cstddef>

namespace gcheap {

class reservation {
 public:
  // `bytes` readable, writable and zero, beginning at a multiple of `alignment` (a power of two, at least a
  // page).
  static gcbarrier::result<reservation> make(std::size_t bytes, std::size_t alignment);

  reservation() = default;
  reservation(reservation&& other) noexcept;
  reservation& operator=(reservation&& other) noexcept;
  reservation(const reservation&) = delete;
  reservation& operator=(const reservation&) = delete;
  ~reservation();

  [[nodiscard]] gcbarrier::address_range range() const { return range_; }
  [[nodiscard]] void* data() const { return reinterpret_cast<void*>(range_.begin); }

  // Gives the memory back and keeps the addresses; it reads as zero.
  void discard();

 private:
  gcbarrier::address_range range_;
};

}  // namespace gcheap

#endif
