// Written pages from SIGSEGV: pages are made read-only, and the handler notes the first write to each and
// lets it through. Works on every kernel; costs a signal per page, splits mappings, and makes system calls
// that write into protected memory fail with EFAULT.
#ifndef GCBARRIER_MECHANISM_MPROTECT_SEGV_HPP
#define GCBARRIER_MECHANISM_MPROTECT_SEGV_HPP

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <new>
#include <utility>

#include "../address_range.hpp"
#include "../error.hpp"
#include "../kernel/lasting_descriptor.hpp"
#include "../kernel/mapped_array.hpp"
#include "../kernel/mappings.hpp"
#include "../kernel/system_calls.hpp"
#include "../run_list.hpp"
#include "../version.hpp"
#include "fault_registry.hpp"
#include "mechanism.hpp"

GCBARRIER_NAMESPACE_BEGIN

// The protection of an attached arena belongs to the mechanism: it is readable, and writable when the
// mechanism says so. No thread that writes to an arena may block SIGSEGV, and the tracker itself must not lie
// in one. Where there is no /proc, memory that somebody maps over an arena goes unnoticed.
class mprotect_segv {
 public:
  static result<mprotect_segv> open(kernel::system_calls calls) {
    mprotect_segv made(calls);
    // The handler finds watches by address, so they must not move: all the room that they will ever need,
    // now.
    if (const error why = made.watches_.reserve(fault_registry::capacity)) return why;
    if (const error why = fault_registry::prepare(calls)) return why;
    if (const error why = made.open_maps()) return why;
    return made;
  }

  mprotect_segv(mprotect_segv&&) noexcept = default;
  mprotect_segv& operator=(mprotect_segv&&) noexcept = default;
  mprotect_segv(const mprotect_segv&) = delete;
  mprotect_segv& operator=(const mprotect_segv&) = delete;
  ~mprotect_segv() {
    for (fault_watch& watch : watches_) {
      if (!watch.range.empty()) (void)detach(watch.range);
    }
  }

  [[nodiscard]] static constexpr mechanism_kind kind() { return mechanism_kind::mprotect; }
  [[nodiscard]] mechanism_traits traits() const { return {false, true, false}; }
  [[nodiscard]] mechanism_counters counters() const { return counters_; }

  error attach(address_range range) {
    const fault_registry::exclusion alone;
    fault_watch* const known = find(range.begin);
    fault_watch* const watch = known != nullptr ? known : vacant();
    if (watch == nullptr) return {"attach", ENOSPC, range, "the mprotect mechanism takes 256 arenas"};
    if (fault_registry::watched(range, watch)) {
      return {"attach", EBUSY, range, "another tracker already watches this memory"};
    }
    const address_range before = watch->range;
    if (const error why = watch->written.cover(range, kernel::page_size())) return why;
    watch->range = range;
    ++counters_.system_calls;
    error why = watch->open_all();
    if (known == nullptr && !why) why = fault_registry::add(watch);
    if (why) {
      watch->range = before;
      if (known != nullptr) (void)watch->written.cover(before, kernel::page_size());  // smaller: cannot fail
    }
    return why;
  }

  // All of an arena, or its tail.
  error detach(address_range range) {
    const fault_registry::exclusion alone;
    fault_watch* const watch = find(range.begin);
    if (watch == nullptr) return {"detach", ENOENT, range, "it is not attached"};
    ++counters_.system_calls;
    const error why = watch->give_up(range);
    if (range.begin > watch->range.begin) {
      watch->range.end = range.begin;
      (void)watch->written.cover(watch->range, kernel::page_size());  // smaller: cannot fail
    } else {
      fault_registry::remove(watch);
      watch->range = {};
    }
    return why;
  }

  error read(address_range range, run_list& out) {
    const fault_registry::exclusion alone;
    if (const error why = audit(range)) return why;
    return each_written(range, [&out](fault_watch&, address_range run) {
      out.append(run);
      return error{};
    });
  }
  // A write that races with this hits a page that is already in the set, or faults and waits for the
  // exclusion to end.
  error read_and_protect(address_range range, run_list& out) {
    const fault_registry::exclusion alone;
    if (const error why = audit(range)) return why;
    return close_written(range, &out);
  }
  error protect(address_range range) {
    const fault_registry::exclusion alone;
    return close_written(range, nullptr);
  }
  error unprotect(address_range range) {
    const fault_registry::exclusion alone;
    fault_watch* const watch = find(range.begin);
    if (watch == nullptr) return {"unprotect", ENOENT, range, "it is not attached"};
    ++counters_.system_calls;
    watch->written.set(range);
    if (calls_.protect(range.begin, range.bytes(), PROT_READ | PROT_WRITE) < 0) return watch->open_all();
    return {};
  }

  // Protections and handlers are inherited by a child: only what was half done by another thread is in doubt.
  error reopen() {
    if (const error why = open_maps()) return why;
    const fault_registry::exclusion alone;
    return fault_registry::claim_signal();
  }

 private:
  explicit mprotect_segv(kernel::system_calls calls) : calls_(calls), watches_(calls) {}

  fault_watch* find(std::uintptr_t address) {
    for (fault_watch& watch : watches_) {
      if (watch.range.contains(address)) return &watch;
    }
    return nullptr;
  }
  fault_watch* vacant() {
    for (fault_watch& watch : watches_) {
      if (watch.range.empty()) return &watch;
    }
    if (watches_.size() == fault_registry::capacity) return nullptr;
    watches_.push_back(fault_watch{{}, page_bitmap(calls_), calls_});
    return &watches_.back();
  }

  error open_maps() {
    maps_ = {};
    const long number = calls_.open("/proc/self/maps", O_RDONLY);
    if (number >= 0) maps_ = kernel::lasting_descriptor(calls_, static_cast<int>(number));
    if (number >= 0 || number == -ENOENT || number == -EACCES || number == -EPERM) return {};
    return {"open /proc/self/maps", static_cast<int>(-number), {}, ""};
  }

  // Whether every page that may be written without a fault is known to be written. Not so in memory that was
  // mapped over the arena, or made writable by somebody else; and a hole is no arena either.
  error audit(address_range range) {
    if (maps_.number() < 0) return {};
    const fault_watch* const watch = find(range.begin);
    if (watch == nullptr) return {"read", ENOENT, range, "it is not attached"};
    if (!maps_.intact()) return {"read /proc/self/maps", EBADF, range, "somebody has closed the descriptor"};
    std::uintptr_t covered = range.begin;
    bool open = false;
    ++counters_.system_calls;
    const error unread = kernel::for_each_mapping(calls_, maps_.number(), [&](const kernel::mapping& one) {
      const address_range part = one.range.intersection(range);
      if (part.empty()) return one.range.begin < range.end;
      open = one.writable && !watch->written.next_run(part.begin).contains(part);
      if (open || part.begin != covered) return false;
      covered = part.end;
      return covered < range.end;
    });
    if (unread || covered == range.end) return unread;
    const address_range where{covered, range.end};
    if (open) return {"mprotect", EPROTO, where, "memory is writable that was made read-only: mapped anew?"};
    return {"mprotect", ENOMEM, where, "part of the arena was unmapped or moved"};
  }

  template <class F>
  error each_written(address_range range, F act) {
    fault_watch* const watch = find(range.begin);
    if (watch == nullptr) return {"read", ENOENT, range, "it is not attached"};
    for (std::uintptr_t at = range.begin; at < range.end;) {
      const address_range run = watch->written.next_run(at).intersection(range);
      if (run.empty()) break;
      if (const error why = act(*watch, run)) return why;
      at = run.end;
    }
    return {};
  }

  error close_written(address_range range, run_list* out) {
    if (const error why = fault_registry::claim_signal()) return why;
    return each_written(range, [this, out](fault_watch& watch, address_range run) -> error {
      ++counters_.system_calls;
      const long answer = calls_.protect(run.begin, run.bytes(), PROT_READ);
      if (answer < 0) {
        (void)watch.open_all();
        const char* advice =
            answer == -ENOMEM ? "too many mappings: raise vm.max_map_count, or use uffd_async" : "";
        return {"mprotect", static_cast<int>(-answer), run, advice};
      }
      watch.written.reset(run);
      counters_.pages_protected += run.bytes() / kernel::page_size();
      if (out != nullptr) out->append(run);
      return {};
    });
  }

  kernel::system_calls calls_;
  kernel::mapped_array<fault_watch> watches_;
  kernel::lasting_descriptor maps_;
  mechanism_counters counters_;
};
static_assert(mechanism<mprotect_segv>);

GCBARRIER_NAMESPACE_END

#endif
