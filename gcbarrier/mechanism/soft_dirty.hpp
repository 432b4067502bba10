// Written pages from the kernel's soft-dirty bits: /proc/self/pagemap bit 55, cleared through
// /proc/self/clear_refs.
//
// Coarser than it looks: clearing is for the whole process at once, and reading and clearing are two steps,
// so the mutators must be stopped during collect(). Whoever else clears the bits (libgc, CRIU, a second
// tracker) takes ours away; that is noticed, and everything counts as written. Source:
// Documentation/admin-guide/mm/soft-dirty.rst.
#ifndef GCBARRIER_MECHANISM_SOFT_DIRTY_HPP
#define GCBARRIER_MECHANISM_SOFT_DIRTY_HPP

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <utility>

#include "../address_range.hpp"
#include "../error.hpp"
#include "../kernel/lasting_descriptor.hpp"
#include "../kernel/mapped_array.hpp"
#include "../kernel/system_calls.hpp"
#include "../kernel/uapi.hpp"
#include "../run_list.hpp"
#include "../version.hpp"
#include "mechanism.hpp"

GCBARRIER_NAMESPACE_BEGIN

class soft_dirty {
 public:
  // Errors: ENOTSUP where the kernel does not keep soft-dirty bits, found out by writing to a page and
  // looking; those of opening the two files.
  static result<soft_dirty> open(kernel::system_calls calls) {
    soft_dirty made(calls);
    if (const error why = made.entries_.reserve(chunk_pages)) return why;
    made.entries_.resize(chunk_pages);
    if (const error why = made.mark_.reserve(1)) return why;
    made.mark_.resize(1);
    if (const error why = made.reopen()) return why;
    return made;
  }

  [[nodiscard]] static constexpr mechanism_kind kind() { return mechanism_kind::soft_dirty; }
  [[nodiscard]] mechanism_traits traits() const { return {true, false, true}; }
  [[nodiscard]] mechanism_counters counters() const { return counters_; }

  error attach(address_range /*range*/) { return {}; }
  error detach(address_range /*range*/) { return {}; }

  error read(address_range range, run_list& out) {
    const std::size_t page = kernel::page_size();
    // A number that is another file's by now would give us its contents.
    if (!pagemap_.intact()) return closed("read /proc/self/pagemap", range);
    ++counters_.system_calls;
    const long mapped = calls_.call(SYS_msync, range.begin, range.bytes(), MS_ASYNC);
    if (mapped < 0) {
      return {"msync", static_cast<int>(-mapped), range, "part of the arena was unmapped or moved"};
    }
    for (std::uintptr_t at = range.begin; at < range.end;) {
      const std::size_t pages = std::min<std::size_t>(chunk_pages, (range.end - at) / page);
      ++counters_.system_calls;
      const long got = calls_.read_at(pagemap_.number(), entries_.data(), pages * sizeof(std::uint64_t),
                                      at / page * sizeof(std::uint64_t));
      const auto count = static_cast<std::size_t>(got) / sizeof(std::uint64_t);
      if (got <= 0 || got % static_cast<long>(sizeof(std::uint64_t)) != 0 || count > pages) {
        return {"read /proc/self/pagemap", got < 0 ? static_cast<int>(-got) : EIO, range, ""};
      }
      for (std::size_t i = 0; i < count; ++i, at += page) {
        if ((entries_[i] & kernel::uapi::pagemap_soft_dirty) != 0) out.append({at, at + page});
      }
    }
    return marked() ? error{}
                    : error{"soft-dirty", ESTALE, range, "somebody else has cleared the soft-dirty bits"};
  }
  // Not atomic: see traits().
  error read_and_protect(address_range range, run_list& out) {
    if (const error why = read(range, out)) return why;
    return protect(range);
  }
  error protect(address_range range) {
    if (!clear_refs_.intact()) return closed("write /proc/self/clear_refs", range);
    ++counters_.system_calls;
    constexpr std::size_t length = sizeof kernel::uapi::clear_soft_dirty - 1;
    const long written = calls_.write(clear_refs_.number(), kernel::uapi::clear_soft_dirty, length);
    mark();
    if (written == static_cast<long>(length)) return {};
    return {"write /proc/self/clear_refs", written < 0 ? static_cast<int>(-written) : EIO, range, ""};
  }
  // There is nothing to gain here: a write after the clearing costs one fault whatever we do, and setting a
  // bit would mean writing to the page.
  error unprotect(address_range /*range*/) { return {}; }

  error reopen() {
    pagemap_ = {};
    clear_refs_ = {};
    const long pagemap = calls_.open("/proc/self/pagemap", O_RDONLY);
    if (pagemap < 0) return {"open /proc/self/pagemap", static_cast<int>(-pagemap), {}, ""};
    pagemap_ = kernel::lasting_descriptor(calls_, static_cast<int>(pagemap));
    const long clear_refs = calls_.open("/proc/self/clear_refs", O_WRONLY);
    if (clear_refs < 0) return {"open /proc/self/clear_refs", static_cast<int>(-clear_refs), {}, ""};
    clear_refs_ = kernel::lasting_descriptor(calls_, static_cast<int>(clear_refs));
    // A kernel without CONFIG_MEM_SOFT_DIRTY accepts the clearing and then reports no page at all.
    mark();
    if (marked()) return {};
    return {"soft-dirty", ENOTSUP, {}, "this kernel keeps no soft-dirty bits (CONFIG_MEM_SOFT_DIRTY)"};
  }

 private:
  explicit soft_dirty(kernel::system_calls calls) : calls_(calls), entries_(calls), mark_(calls) {}

  static constexpr std::size_t chunk_pages = 4096;

  // A page of our own that is written right after each clearing. As long as its bit is set, nobody has
  // cleared the bits since.
  void mark() {
    const std::atomic_ref word(mark_[0]);
    word.store(word.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }
  [[nodiscard]] bool marked() {
    std::uint64_t entry = 0;
    ++counters_.system_calls;
    const long got =
        calls_.read_at(pagemap_.number(), &entry, sizeof entry,
                       reinterpret_cast<std::uintptr_t>(mark_.data()) / kernel::page_size() * sizeof entry);
    return got == static_cast<long>(sizeof entry) && (entry & kernel::uapi::pagemap_soft_dirty) != 0;
  }

  static error closed(const char* operation, address_range range) {
    return {operation, EBADF, range, "somebody has closed the descriptor"};
  }

  kernel::system_calls calls_;
  kernel::lasting_descriptor pagemap_;
  kernel::lasting_descriptor clear_refs_;
  kernel::mapped_array<std::uint64_t> entries_;
  kernel::mapped_array<std::uint64_t> mark_;
  mechanism_counters counters_;
};
static_assert(mechanism<soft_dirty>);

GCBARRIER_NAMESPACE_END

#endif
