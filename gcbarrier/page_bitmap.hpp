// One bit per page of an arena.
#ifndef GCBARRIER_PAGE_BITMAP_HPP
#define GCBARRIER_PAGE_BITMAP_HPP

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "address_range.hpp"
#include "error.hpp"
#include "kernel/mapped_array.hpp"
#include "version.hpp"

GCBARRIER_NAMESPACE_BEGIN

// set() may be called from several threads at once and from a signal handler; the rest needs the caller's
// exclusion.
class page_bitmap {
 public:
  page_bitmap() = default;
  explicit page_bitmap(kernel::system_calls calls) : words_(calls) {}

  // Makes it cover `range` (page-aligned, same begin as before if it grows or shrinks); bits inside both are
  // kept.
  error cover(address_range range, std::size_t page) {
    const std::size_t pages = range.bytes() / page;
    const std::size_t words = (pages + 63) / 64;
    if (const error why = words_.reserve(words)) return why;
    range_ = range;
    page_ = page;
    words_.resize(words);
    if (pages % 64 != 0) words_[words - 1] &= (std::uint64_t{1} << (pages % 64)) - 1;
    lowest_ = 0;
    highest_ = words;
    return {};
  }

  // Every page that the range touches, as far as it lies in the arena.
  void set(address_range range) {
    each_word(range, [](std::uint64_t& word, std::uint64_t mask) {
      std::atomic_ref(word).fetch_or(mask, std::memory_order_relaxed);
    });
    note(lowest_, range,
         [](std::size_t now, std::size_t first, std::size_t) { return std::min(now, first); });
    note(highest_, range,
         [](std::size_t now, std::size_t, std::size_t last) { return std::max(now, last + 1); });
  }
  void reset(address_range range) {
    each_word(range, [](std::uint64_t& word, std::uint64_t mask) { word &= ~mask; });
  }
  void clear() {
    for (std::size_t i = lowest_; i < highest_; ++i) words_[i] = 0;
    lowest_ = words_.size();
    highest_ = 0;
  }
  [[nodiscard]] bool empty() const { return lowest_ >= highest_; }

  // Adds the other's bits, which must cover the same range.
  void merge(const page_bitmap& other) {
    for (std::size_t i = other.lowest_; i < other.highest_; ++i) words_[i] |= other.words_[i];
    lowest_ = std::min(lowest_, other.lowest_);
    highest_ = std::max(highest_, other.highest_);
  }

  // The first run of set pages that ends after `from`, clipped to begin no earlier; empty where there is
  // none.
  [[nodiscard]] address_range next_run(std::uintptr_t from) const {
    const std::size_t pages = range_.bytes() / page_;
    const std::size_t start = from <= range_.begin ? 0 : (from - range_.begin) / page_;
    const std::size_t first = find(std::max(start, lowest_ * 64), pages, 0);
    if (first >= pages) return {};
    const std::size_t last = find(first, pages, ~std::uint64_t{0});
    return {range_.begin + first * page_, range_.begin + last * page_};
  }

 private:
  // The first page at or after `page` whose bit, flipped by `flip`, is set; `pages` where there is none.
  [[nodiscard]] std::size_t find(std::size_t page, std::size_t pages, std::uint64_t flip) const {
    // Beyond highest_ every bit is clear.
    const std::size_t words = flip == 0 ? std::min(highest_, words_.size()) : words_.size();
    for (std::size_t i = page / 64; i < words; ++i) {
      std::uint64_t word = words_[i] ^ flip;
      if (i == page / 64) word &= ~std::uint64_t{0} << (page % 64);
      if (word != 0) return std::min(pages, i * 64 + static_cast<std::size_t>(std::countr_zero(word)));
    }
    return pages;
  }

  template <class F>
  void each_word(address_range range, F change) {
    const address_range part = range.widened_to(page_).intersection(range_);
    if (part.empty()) return;
    const std::size_t last = (part.end - range_.begin) / page_ - 1;
    for (std::size_t at = (part.begin - range_.begin) / page_; at <= last; at = (at / 64 + 1) * 64) {
      const std::size_t upto = std::min(last, (at / 64) * 64 + 63);
      const std::uint64_t ones = ~std::uint64_t{0} >> (63 - (upto - at));
      change(words_[at / 64], ones << (at % 64));
    }
  }

  // Moves a bound of the words that may be non-zero.
  template <class F>
  void note(std::size_t& bound, address_range range, F moved) {
    const address_range part = range.widened_to(page_).intersection(range_);
    if (part.empty()) return;
    const std::size_t first = (part.begin - range_.begin) / page_ / 64;
    const std::size_t last = ((part.end - range_.begin) / page_ - 1) / 64;
    std::atomic_ref shared(bound);
    std::size_t now = shared.load(std::memory_order_relaxed);
    while (moved(now, first, last) != now &&
           !shared.compare_exchange_weak(now, moved(now, first, last), std::memory_order_relaxed)) {
    }
  }

  kernel::mapped_array<std::uint64_t> words_;
  address_range range_;
  std::size_t page_ = 4096;
  std::size_t lowest_ = 0;   // words before this are zero
  std::size_t highest_ = 0;  // and from here on
};

GCBARRIER_NAMESPACE_END

#endif
