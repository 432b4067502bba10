// The last pages of libgc's static roots.
#ifndef GCBARRIER_BDWGC_ROOT_TAILS_HPP
#define GCBARRIER_BDWGC_ROOT_TAILS_HPP

#include <cstddef>

#include <gcbarrier/address_range.hpp>

namespace bdwgc {

// With soft-dirty bits, libgc 8.2.2 marks from those pages of the static roots that are dirty. Where a root
// begins inside of a page and ends in a page further on than its size tells, it forgets the last page
// (mended in 8.2.4), and frees what only that page points to. So the adapter marks from there itself.
//
// Data segments with a part that is read-only after relocation, as every distribution links them, are cut at
// the end of that part and so begin on a page.
class root_tails {
 public:
  // The part of a root [begin, end) that libgc forgets; empty where it forgets none.
  static gcbarrier::address_range forgotten(gcbarrier::address_range root);

  // Finds those of all loaded objects. While the world runs: it takes the dynamic linker's lock.
  void find();
  template <class Visitor>
  void for_each(Visitor visit) const {
    for (std::size_t i = 0; i < count_; ++i) visit(tails_[i]);
  }

 private:
  static constexpr std::size_t capacity = 512;

  gcbarrier::address_range tails_[capacity];
  std::size_t count_ = 0;
};

}  // namespace bdwgc

#endif
