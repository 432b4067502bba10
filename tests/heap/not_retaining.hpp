// A negative control: old slots that nobody writes again are forgotten though they point to young objects.
#ifndef GCHEAP_TESTS_NOT_RETAINING_HPP
#define GCHEAP_TESTS_NOT_RETAINING_HPP

#include <gcbarrier/address_range.hpp>
#include <gcbarrier/error.hpp>
#include <heap/barriers.hpp>

#include <utility>

namespace heap_test {

// A barrier that takes no notice of retain().
template <class Barrier>
class not_retaining : public Barrier {
 public:
  static gcbarrier::result<not_retaining> open(gcbarrier::address_range heap,
                                               gcbarrier::address_range young) {
    auto inner = gcheap::open_barrier<Barrier>(heap, young);
    if (!inner) return inner.error();
    return not_retaining(std::move(*inner));
  }
  void retain(gcbarrier::address_range /*range*/) {}

 private:
  explicit not_retaining(Barrier inner) : Barrier(std::move(inner)) {}
};

}  // namespace heap_test

#endif
