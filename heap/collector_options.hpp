// What a heap is opened with.
#ifndef GCHEAP_COLLECTOR_OPTIONS_HPP
#define GCHEAP_COLLECTOR_OPTIONS_HPP

#include <cstddef>

namespace gcheap {

struct collector_options {
  std::size_t nursery_bytes = std::size_t{8} << 20;
  // The limit; memory is used as objects come to lie in it. With a hybrid barrier, of each of its two parts.
  std::size_t old_bytes = std::size_t{1} << 30;
  std::size_t first_full_bytes = std::size_t{64}
                                 << 20;  // of live old objects: when the first full collection is due
  double growth = 2.0;  // the next is due when what survived the last has grown by this factor
  bool verify = false;  // check the remembered set at every collection, by a walk of the old space
};

}  // namespace gcheap

#endif
