// Which kinds of libgc objects are marked by a procedure of the program's own.
#ifndef GCBARRIER_BDWGC_MARK_PROCEDURES_HPP
#define GCBARRIER_BDWGC_MARK_PROCEDURES_HPP

#include <gc/gc_mark.h>

#include <cstdint>

namespace bdwgc {

// Such a procedure may mark from memory outside of the object: Guile's, for one, marks from a thread's stack,
// which the thread object points to. In a partial collection libgc calls it only for objects whose page is
// dirty, so a write to that other memory would go unnoticed. The pages of such objects are therefore always
// dirty.
class mark_procedures {
 public:
  // libgc has made a kind.
  void note(unsigned kind, GC_word descriptor) {
    const GC_word tag = descriptor & GC_DS_TAGS;
    const bool plain = tag == GC_DS_LENGTH || tag == GC_DS_BITMAP;
    if (plain && kind < 64) plain_ |= std::uint64_t{1} << kind;
    if (!plain) any_ = true;
  }
  // False: no object has one.
  [[nodiscard]] bool any() const { return any_; }
  // A kind that was never seen made is taken to have one.
  [[nodiscard]] bool has(unsigned kind) const { return kind >= 64 || (plain_ >> kind & 1) == 0; }

 private:
  // libgc's own kinds: pointer-free, normal, and the uncollectable ones of both.
  std::uint64_t plain_ = 0xF;
  bool any_ = false;
};

}  // namespace bdwgc

#endif
