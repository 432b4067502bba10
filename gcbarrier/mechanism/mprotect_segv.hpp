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
#include "../kernel/mapped_array.hpp"
#include "../kernel/system_calls.hpp"
#include "../run_list.hpp"
#include "../version.hpp"
#include "fault_registry.hpp"
#include "mechanism.hpp"

GCBARRIER_NAMESPACE_BEGIN

// The protection of an attached arena belongs to the mechanism: it is readable, and writable when the
// mechanism says so.
class mprotect_segv {
 public:
  static result<mprotect_segv> open(kernel::system_calls calls) {
    mprotect_segv made(calls);
    // The handler finds watches by address, so they must not move: all the room that they will ever need,
    // now.
    if (const error why = made.watches_.reserve(fault_registry::capacity)) return why;
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
    fault_watch* watch = find(range.begin);
    const bool fresh = watch == nullptr;
    if (fresh) watch = vacant();
    if (watch == nullptr) return {"attach", ENOSPC, range, "the mprotect mechanism takes 256 arenas"};
    if (const error why = watch->written.cover(range, kernel::page_size())) return why;
    watch->range = range;
    ++counters_.system_calls;
    error why = watch->open_all();
    if (fresh && !why) why = fault_registry::add(watch);
    if (fresh && why) watch->range = {};
    return why;
  }

  // All of an arena, or its tail.
  error detach(address_range range) {
    const fault_registry::exclusion alone;
    fault_watch* const watch = find(range.begin);
    if (watch == nullptr) return {"detach", ENOENT, range, "it is not attached"};
    ++counters_.system_calls;
    const error why = watch->open_all();
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
    return each_written(range, [&out](fault_watch&, address_range run) {
      out.append(run);
      return error{};
    });
  }
  // A write that races with this hits a page that is already in the set, or faults and waits for the
  // exclusion to end.
  error read_and_protect(address_range range, run_list& out) {
    const fault_registry::exclusion alone;
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
    if (calls_.protect(range.begin, range.bytes(), PROT_READ | PROT_WRITE) < 0) return watch->open_all();
    watch->written.set(range);
    return {};
  }

  // Protections and handlers are inherited by a child: only what was half done by another thread is in doubt.
  error reopen() {
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
  mechanism_counters counters_;
};
static_assert(mechanism<mprotect_segv>);

GCBARRIER_NAMESPACE_END

#endif
