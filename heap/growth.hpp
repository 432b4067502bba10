// When a full collection is due, and so how far the old space grows.
#ifndef GCHEAP_GROWTH_HPP
#define GCHEAP_GROWTH_HPP

#include <algorithm>
#include <cstddef>

namespace gcheap {

// The first is due when `first` bytes of old objects are there, each further one when what survived the last
// has grown by `factor`, but never below `first`. So the work of full collections stays in proportion to what
// is allocated. The nursery has the size that it was opened with.
class growth_policy {
 public:
  growth_policy(std::size_t first, double factor) : first_(first), factor_(factor), due_(first) {}

  [[nodiscard]] bool is_full_due(std::size_t old_bytes) const { return old_bytes > due_; }
  void full_collection_left(std::size_t old_bytes) {
    due_ = std::max(first_, static_cast<std::size_t>(static_cast<double>(old_bytes) * factor_));
  }

 private:
  std::size_t first_;
  double factor_;
  std::size_t due_;
};

}  // namespace gcheap

#endif
