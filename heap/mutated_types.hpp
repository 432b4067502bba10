// Which types' objects are written once they are old: learnt from where the search finds young pointers.
#ifndef GCHEAP_MUTATED_TYPES_HPP
#define GCHEAP_MUTATED_TYPES_HPP

#include <array>
#include <cstddef>
#include <cstdint>

#include "type.hpp"

namespace gcheap {

// A type counts as mutated if its objects, by their number, are found with young pointers more than twice as
// often as all other old objects. If all types are alike, none is: to move all of them changes nothing.
//
// One thread only. A look-up takes a hash and a comparison. Of more types than the table holds, the rest
// never counts.
class mutated_types {
 public:
  // An object of the type becomes old. Whether the type is a mutated one.
  bool promoted(const type& kind) {
    record& one = find(kind);
    ++one.promoted;
    return one.mutated;
  }
  // The search found an old object of the type that points into the nursery.
  void found(const type& kind) { ++find(kind).found; }

  [[nodiscard]] bool contains(const type& kind) { return find(kind).mutated; }

  // At the end of a collection: decides anew.
  void decide() {
    std::uint64_t promoted = 0;
    std::uint64_t found = 0;
    for (const record& one : records_) {
      promoted += one.promoted;
      found += one.found;
    }
    if (found < enough) return;
    for (record& one : records_) {
      one.mutated = one.found * (promoted - one.promoted) > 2 * one.promoted * (found - one.found);
    }
  }
  // What was learnt counts half from now on, so that a program may change its ways.
  void fade() {
    for (record& one : records_) {
      one.promoted /= 2;
      one.found /= 2;
    }
  }

 private:
  struct record {
    const type* kind = nullptr;
    std::uint64_t promoted = 0;
    std::uint64_t found = 0;
    bool mutated = false;
  };
  static constexpr std::size_t places = 256;
  static constexpr std::uint64_t enough = 64;  // finds; fewer are chance

  record& find(const type& kind) {
    // Types are constants that lie side by side, so their addresses spread well.
    const auto hash = reinterpret_cast<std::uintptr_t>(&kind) / alignof(type);
    for (std::size_t i = 0; i < places; ++i) {
      record& one = records_[(hash + i) % places];
      if (one.kind == nullptr) one.kind = &kind;
      if (one.kind == &kind) return one;
    }
    return rest_;
  }

  std::array<record, places> records_;
  record rest_;
};

}  // namespace gcheap

#endif
