// Objects that must not move, for as long as somebody outside the heap holds their addresses.
#ifndef GCHEAP_PINNED_HPP
#define GCHEAP_PINNED_HPP

#include "roots.hpp"

namespace gcheap {

class pins : public roots {};

// A root whose object stays where it is. A young one keeps its page in the nursery until it is let go, and is
// promoted then; old objects never move.
template <class T>
class pinned : public root<T> {
 public:
  explicit pinned(pins& list, T* value = nullptr) : root<T>(list, value) {}
  using root<T>::operator=;
};

}  // namespace gcheap

#endif
