// The remembered set: the runs of memory that were written, ordered by address, disjoint and merged.
#ifndef GCBARRIER_DIRTY_SET_HPP
#define GCBARRIER_DIRTY_SET_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <span>

#include "address_range.hpp"
#include "version.hpp"

GCBARRIER_NAMESPACE_BEGIN

// A view of a remembered set, or of one marker thread's share of it. It owns nothing: it is valid until the
// next collect(), peek() or destruction of what returned it. Reading it from several threads at once is safe.
// Iterating yields address_range by value and allocates nothing.
class dirty_set {
 public:
  class iterator {
   public:
    using value_type = address_range;
    using difference_type = std::ptrdiff_t;
    using iterator_category = std::forward_iterator_tag;
    using reference = address_range;
    using pointer = void;

    iterator() = default;
    iterator(const address_range* run, address_range clip) : run_(run), clip_(clip) {}
    address_range operator*() const { return run_->intersection(clip_); }
    iterator& operator++() {
      ++run_;
      return *this;
    }
    iterator operator++(int) {
      iterator old = *this;
      ++run_;
      return old;
    }
    friend bool operator==(const iterator& a, const iterator& b) { return a.run_ == b.run_; }

   private:
    const address_range* run_ = nullptr;
    address_range clip_;
  };

  dirty_set() = default;
  // The runs must be ordered, disjoint and not empty. They stay the caller's.
  explicit dirty_set(std::span<const address_range> runs)
      : dirty_set(runs, {std::uintptr_t{0}, ~std::uintptr_t{0}}) {}

  [[nodiscard]] iterator begin() const { return {runs_.data(), clip_}; }
  [[nodiscard]] iterator end() const { return {runs_.data() + runs_.size(), clip_}; }
  [[nodiscard]] bool empty() const { return runs_.empty(); }
  [[nodiscard]] std::size_t run_count() const { return runs_.size(); }
  // Only for an index below run_count().
  [[nodiscard]] address_range operator[](std::size_t index) const { return runs_[index].intersection(clip_); }

  // Bytes in all runs together. Linear in the number of runs.
  [[nodiscard]] std::size_t bytes() const {
    std::size_t sum = 0;
    for (const address_range run : *this) sum += run.bytes();
    return sum;
  }

  // The question a card table answers. Logarithmic in the number of runs.
  [[nodiscard]] bool contains(const void* address) const {
    const address_range found = run_after(reinterpret_cast<std::uintptr_t>(address));
    return found.contains(address);
  }

  // Whether any byte of the range is in the set. Logarithmic in the number of runs.
  [[nodiscard]] bool touches(address_range range) const { return run_after(range.begin).overlaps(range); }

  // Share `index` of `count`, for marker threads: the shares cover the set, do not overlap, and differ in
  // size by less than two granules; a long run is cut. Cuts fall on multiples of `granule` bytes (a power of
  // two; the page size or the card size), so no granule is searched twice.
  [[nodiscard]] dirty_set share(std::size_t index, std::size_t count, std::size_t granule) const {
    const std::size_t total = bytes();
    return between(cut(total, index, count, granule), cut(total, index + 1, count, granule));
  }

  // The part of the set inside [from, to).
  [[nodiscard]] dirty_set between(std::uintptr_t from, std::uintptr_t to) const {
    const address_range clip{std::max(from, clip_.begin), std::min(to, clip_.end)};
    if (clip.empty()) return {};
    const auto first =
        std::upper_bound(runs_.begin(), runs_.end(), clip.begin,
                         [](std::uintptr_t at, const address_range& run) { return at < run.end; });
    const auto last =
        std::lower_bound(first, runs_.end(), clip.end,
                         [](const address_range& run, std::uintptr_t at) { return run.begin < at; });
    return dirty_set({first, last}, clip);
  }

 private:
  dirty_set(std::span<const address_range> runs, address_range clip) : runs_(runs), clip_(clip) {}

  // The first run that ends after the address; empty where there is none.
  [[nodiscard]] address_range run_after(std::uintptr_t address) const {
    const dirty_set rest = between(address, clip_.end);
    return rest.empty() ? address_range{} : *rest.begin();
  }

  // The address before which lie index/count of the bytes, moved up to a granule's start.
  [[nodiscard]] std::uintptr_t cut(std::size_t total, std::size_t index, std::size_t count,
                                   std::size_t granule) const {
    if (index == 0) return clip_.begin;
    if (index >= count) return clip_.end;
    // Not total * index / count: that product can overflow on a heap of many terabytes.
    std::size_t before = (total / count) * index + (total % count) * index / count;
    for (const address_range run : *this) {
      if (before < run.bytes()) {
        return std::min((run.begin + before + granule - 1) & ~(granule - 1), run.end);
      }
      before -= run.bytes();
    }
    return clip_.end;
  }

  std::span<const address_range> runs_;
  address_range clip_{std::uintptr_t{0}, ~std::uintptr_t{0}};
};

GCBARRIER_NAMESPACE_END

#endif
