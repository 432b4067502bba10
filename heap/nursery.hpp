// Where objects are born: a range of addresses and a pointer that moves up. Never tracked by any barrier.
#ifndef GCHEAP_NURSERY_HPP
#define GCHEAP_NURSERY_HPP

#include <gcbarrier/address_range.hpp>

#include <cstddef>
#include <cstdint>

namespace gcheap {

class nursery {
 public:
  explicit nursery(gcbarrier::address_range range) : range_(range), top_(range.begin) {}

  // `bytes` of memory with anything in it, or null when it is full.
  void* allocate(std::size_t bytes) {
    if (bytes > range_.end - top_) return nullptr;
    void* const fresh = reinterpret_cast<void*>(top_);  // NOLINT(performance-no-int-to-ptr)
    top_ += bytes;
    return fresh;
  }
  void reset() { top_ = range_.begin; }

  [[nodiscard]] bool contains(const void* p) const { return range_.contains(p); }
  [[nodiscard]] gcbarrier::address_range range() const { return range_; }
  [[nodiscard]] std::size_t used() const { return top_ - range_.begin; }

 private:
  gcbarrier::address_range range_;
  std::uintptr_t top_;
};

}  // namespace gcheap

#endif
