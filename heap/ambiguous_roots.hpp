// Conservative roots: words of which nobody knows whether they are pointers, on the mutator's stack or
// elsewhere.
#ifndef GCHEAP_AMBIGUOUS_ROOTS_HPP
#define GCHEAP_AMBIGUOUS_ROOTS_HPP

#include <gcbarrier/address_range.hpp>
#include <gcbarrier/error.hpp>

#include <cstdint>
#include <vector>

#include "object.hpp"
#include "space.hpp"

namespace gcheap {

// A word that is an address in an object, of its beginning or of anything else in it, keeps the object alive
// and where it is. Not one that is the address behind it.
class ambiguous_roots {
 public:
  // Words of memory that are read at every collection: word-aligned and readable until they are removed.
  void add(gcbarrier::address_range words) { ranges_.push_back(words); }
  void remove(gcbarrier::address_range words) { std::erase(ranges_, words); }

  // The calling thread's stack and registers too, at every collection, which must then be on this thread.
  // Errors: pthread_getattr_np's.
  gcbarrier::error add_this_stack();

  // Before objects move: finds what the words point to. Each object once.
  void find(const space& memory);
  // Calls f(object*) with each that was found.
  template <class F>
  void each(F f) const {
    for (object* const o : found_) f(o);
  }

 private:
  void collect_words(gcbarrier::address_range wanted);
  [[gnu::noinline]] void collect_stack_words(gcbarrier::address_range wanted);
  void collect_words_in(gcbarrier::address_range words, gcbarrier::address_range wanted);
  void find_young(const young_space& young);

  std::vector<gcbarrier::address_range> ranges_;
  std::uintptr_t stack_end_ = 0;       // 0: not scanned
  std::vector<std::uintptr_t> words_;  // that may be pointers into the heap; sorted
  std::vector<object*> found_;
};

}  // namespace gcheap

#endif
