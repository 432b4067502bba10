// Functions that are called with an object once nothing else leads to it.
#ifndef GCHEAP_FINALIZERS_HPP
#define GCHEAP_FINALIZERS_HPP

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <vector>

#include "bitmap.hpp"
#include "evacuation.hpp"
#include "object.hpp"
#include "roots.hpp"
#include "young_space.hpp"

namespace gcheap {

// A collection that finds an object unreachable keeps it, and all that it leads to, for the call. It is
// called once for each add(), after that collection, outside the pause, on the mutator's thread; what one
// collection found, in the order of add(), whatever leads from one to another. What the function stores
// somewhere lives on, without a finalizer. What is not found when the heap is closed is never called.
class finalizers {
 public:
  // Is given a pointer that is good until the next allocation. May do what the mutator may.
  using function = std::function<void(object*)>;

  void add(object* o, function call) { young_.push_back({o, next_++, std::move(call)}); }

  // Outside of collections: calls what is due. Not from within a call: what becomes due then follows it.
  void run(roots& list);
  [[nodiscard]] bool due() const { return !ready_.empty() && !running_; }

  // During a collection. The objects whose calls are due: f(slot).
  template <class F>
  void each_ready(F f) {
    for (entry& e : ready_) f(e.slot());
  }
  // Every object, f(slot), for the verification.
  template <class F>
  void each(F f) {
    each_ready(f);
    for (entry& e : young_) f(e.slot());
    for (entry& e : old_) f(e.slot());
  }
  // After evacuation: the rest follow their objects; what was not reached becomes due and is moved with all
  // that it leads to.
  void update(const young_space& young, evacuation& survivors);
  // After marking: what is not marked becomes due; f(object) has it marked.
  template <class F>
  void take_unmarked(const bitmap& marks, F f) {
    const std::size_t before = ready_.size();
    const auto unmarked = [&](const entry& e) { return !marks.test(e.target); };
    take(young_, unmarked);
    take(old_, unmarked);
    sort_ready_from(before);
    for (std::size_t i = before; i < ready_.size(); ++i) f(static_cast<object*>(ready_[i].target));
  }

 private:
  struct entry {
    void* target;
    std::uint64_t order;
    function call;
    void** slot() { return &target; }
  };

  template <class F>
  void take(std::vector<entry>& from, F dead) {
    std::erase_if(from, [&](entry& e) {
      if (!dead(e)) return false;
      ready_.push_back(std::move(e));
      return true;
    });
  }
  void sort_ready_from(std::size_t first);

  std::vector<entry> young_;  // perhaps some old ones
  std::vector<entry> old_;
  std::deque<entry> ready_;
  std::uint64_t next_ = 0;
  bool running_ = false;
};

}  // namespace gcheap

#endif
