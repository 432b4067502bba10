// Precise roots: the pointers outside the heap that keep objects alive and follow them when they move.
#ifndef GCHEAP_ROOTS_HPP
#define GCHEAP_ROOTS_HPP

namespace gcheap {

// A list through the handles themselves, so that a handle may live on the stack, in a C++ object or anywhere
// else, and registering one allocates nothing. The mutator's thread only.
class roots {
 public:
  class link {
   protected:
    link(roots& list, void* value) : value_(value), previous_(&list.first_), next_(list.first_) {
      if (next_ != nullptr) next_->previous_ = &next_;
      list.first_ = this;
    }
    ~link() {
      *previous_ = next_;
      if (next_ != nullptr) next_->previous_ = previous_;
    }

   public:
    link(const link&) = delete;
    link& operator=(const link&) = delete;

   protected:
    void* value_;

   private:
    friend class roots;
    link** previous_;  // the pointer that points here
    link* next_;
  };

  roots() = default;
  roots(const roots&) = delete;
  roots& operator=(const roots&) = delete;

  // Calls f(slot) with every root's slot.
  template <class F>
  void each(F f) {
    for (link* at = first_; at != nullptr; at = at->next_) f(&at->value_);
  }

 private:
  link* first_ = nullptr;
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
