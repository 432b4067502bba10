// Which parts of an arena nobody has written for long: those are worth a huge page.
#ifndef GCBARRIER_POLICY_COLD_BLOCKS_HPP
#define GCBARRIER_POLICY_COLD_BLOCKS_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "../address_range.hpp"
#include "../dirty_set.hpp"
#include "../error.hpp"
#include "../kernel/mapped_array.hpp"
#include "../kernel/system_calls.hpp"
#include "../version.hpp"

GCBARRIER_NAMESPACE_BEGIN

// What a huge page covers: as many small ones as a table of them has entries. 2 MiB with pages of 4 KiB.
inline std::size_t huge_page_bytes() {
  return kernel::page_size() * (kernel::page_size() / sizeof(std::uint64_t));
}

// One record for each block that a huge page may cover. Costs nothing for blocks that no set touches.
//
// The first write to a protected huge page splits it. So a block that was split, or that the kernel refused
// to collapse, has to stay clean for twice as long as the last time before it is ripe again.
class cold_blocks {
 public:
  cold_blocks() = default;
  explicit cold_blocks(kernel::system_calls calls) : records_(calls) {}

  // Makes it cover the whole blocks of `range`, which begins where the one before began. New ones count as
  // written now. ENOMEM.
  error cover(address_range range) {
    const std::size_t size = huge_page_bytes();
    first_ = (range.begin + size - 1) / size * size;
    const std::size_t blocks = range.end < first_ ? 0 : (range.end - first_) / size;
    if (const error why = records_.reserve(blocks)) return why;
    records_.truncate(blocks);
    while (records_.size() < blocks) records_.push_back({sets_, 0, false});
    return {};
  }

  // A set of the whole arena was read, and these are its runs.
  void next_set() { ++sets_; }
  void note_written(const dirty_set& runs) {
    std::size_t next = 0;  // after the last one noted
    for (const address_range run : runs) {
      if (run.end <= first_) continue;
      const std::size_t size = huge_page_bytes();
      const std::size_t last = std::min((run.end - first_ - 1) / size + 1, records_.size());
      std::size_t at = run.begin <= first_ ? 0 : (run.begin - first_) / size;
      for (at = std::max(at, next); at < last; ++at) note_written(records_[at]);
      next = std::max(next, last);
    }
  }

  // The first block that begins in `part` and was in none of the last `sets` sets, or of more, see above;
  // empty where there is none. Those that are collapsed already are among them: what the collector itself
  // writes splits huge pages too, and is in no set, so somebody has to look.
  [[nodiscard]] address_range next_ripe(address_range part, std::uint32_t sets) const {
    const std::size_t size = huge_page_bytes();
    std::size_t at = part.begin <= first_ ? 0 : (part.begin - first_ + size - 1) / size;
    for (; at < records_.size() && first_ + at * size < part.end; ++at) {
      const record& one = records_[at];
      const std::uint32_t clean = sets_ - one.written;
      if (clean >> one.setbacks >= std::max<std::uint32_t>(sets, 1)) {
        return {first_ + at * size, first_ + (at + 1) * size};
      }
    }
    return {};
  }

  void note_huge(address_range block) { at(block).collapsed = true; }
  // It is on small pages. False: it was collapsed before, and is not ripe after all.
  bool note_small(address_range block) {
    if (!at(block).collapsed) return true;
    at(block).collapsed = false;
    set_back(at(block));
    return false;
  }
  void note_refused(address_range block) {
    at(block).written = sets_;
    set_back(at(block));
  }

 private:
  struct record {
    std::uint32_t written;  // the number of the last set that it was in
    std::uint8_t setbacks;
    bool collapsed;
  };

  record& at(address_range block) { return records_[(block.begin - first_) / huge_page_bytes()]; }
  static void set_back(record& one) {
    if (one.setbacks < std::numeric_limits<std::uint32_t>::digits - 1) ++one.setbacks;
  }
  void note_written(record& one) const {
    if (one.collapsed) set_back(one);
    one.collapsed = false;
    one.written = sets_;
  }

  kernel::mapped_array<record> records_;
  std::uintptr_t first_ = 0;  // where the first block begins
  std::uint32_t sets_ = 0;
};

GCBARRIER_NAMESPACE_END

#endif
