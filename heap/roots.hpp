// Precise roots: the pointers outside the heap that keep objects alive and follow them when they move.
#ifndef GCHEAP_ROOTS_HPP
#define GCHEAP_ROOTS_HPP

#include <cstddef>
#include <vector>

namespace gcheap {

// A table of the handles, each of which knows its place in it, so that they may come and go in any order. The
// mutator's thread only.
class roots {
 public:
  class link {
   public:
    link(const link&) = delete;
    link& operator=(const link&) = delete;

   protected:
    link(roots& list, void* value) : value_(value), list_(list), place_(list.links_.size()) {
      list.links_.push_back(this);
    }
    ~link() {
      link* const last = list_.links_.back();
      list_.links_[place_] = last;
      last->place_ = place_;
      list_.links_.pop_back();
    }

    void* value_;

   private:
    friend class roots;
    roots& list_;
    std::size_t place_;
  };

  roots() = default;
  roots(const roots&) = delete;
  roots& operator=(const roots&) = delete;

  // Calls f(slot) with every root's slot.
  template <class F>
  void each(F f) {
    for (link* const at : links_) f(&at->value_);
  }

 private:
  std::vector<link*> links_;
};

// A handle: a T* that is a root for as long as it lives. Needed wherever a pointer must survive an
// allocation.
template <class T>
class root : public roots::link {
 public:
  explicit root(roots& list, T* value = nullptr) : link(list, value) {}

  root& operator=(const root& other) {  // the pointer, not the link
    value_ = other.value_;
    return *this;
  }
  root& operator=(T* value) {
    value_ = value;
    return *this;
  }
  [[nodiscard]] T* get() const { return static_cast<T*>(value_); }
  operator T*() const { return get(); }  // NOLINT(google-explicit-constructor)
  T* operator->() const { return get(); }
};

}  // namespace gcheap

#endif
