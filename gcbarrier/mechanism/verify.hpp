// A mechanism that checks another one, for debug builds: it keeps a copy of the tracked memory and finds
// pages whose contents changed although the mechanism says that nobody wrote them.
//
// What it finds in practice is memory written behind the page tables' back (pinned pages, a second mapping of
// the same file) and memory mapped anew by somebody else. Costs a second copy of every attached arena and a
// comparison of all of it at each collection.
#ifndef GCBARRIER_MECHANISM_VERIFY_HPP
#define GCBARRIER_MECHANISM_VERIFY_HPP

#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <type_traits>
#include <utility>

#include "../address_range.hpp"
#include "../dirty_set.hpp"
#include "../error.hpp"
#include "../kernel/mapped_array.hpp"
#include "../kernel/system_calls.hpp"
#include "../page_bitmap.hpp"
#include "../run_list.hpp"
#include "../version.hpp"
#include "mechanism.hpp"

GCBARRIER_NAMESPACE_BEGIN

// A page that changed since it was protected and is not in the mechanism's answer.
struct lost_page {
  address_range page;
  std::uintptr_t difference = 0;  // the first byte that changed
  mechanism_kind mechanism = mechanism_kind::uffd_async;
};

// What to do about one. Called inside collect() or peek(), once for each loss. If it returns, the collection
// goes on as it would have without verification.
struct lost_page_report {
  void (*call)(void* context, const lost_page& lost) = &print_and_abort;
  void* context = nullptr;

  static void print_and_abort(void* /*context*/, const lost_page& lost) {
    std::fprintf(stderr,
                 "gcbarrier: lost page: [%#zx, %#zx) changed at %#zx, and %s reports it as not written. Was "
                 "it written by pinned memory (io_uring, O_DIRECT, RDMA) or through another mapping? Then it "
                 "needs always_dirty().\n",
                 static_cast<std::size_t>(lost.page.begin), static_cast<std::size_t>(lost.page.end),
                 static_cast<std::size_t>(lost.difference), name_of(lost.mechanism));
    std::abort();
  }
};

// Use: basic_write_tracker<verify<uffd_async>>, or verify<any_mechanism> for what was chosen at run time.
//
// Mutators may run meanwhile, as far as the mechanism itself allows it; there are no false accusations. A
// page is copied after it was protected, so a write that races with the copy marks the page, and the page is
// not compared before it was copied again. A write between the scan and the comparison makes a difference
// that the scan could not know, so the page is asked about a second time before it is called lost: the mark
// of a write is there before its bytes are. A page that only the second look found must be in an answer
// before it is protected, or else it is lost as well. What can be missed: a lost write that changes no byte,
// and one that lands before the page was copied.
//
// Not compared: pages that were never protected since they were attached or since an error, where the tracker
// answers with everything; pages that the tracker was told are always dirty; pages that cannot be read. A
// page that is all zero is nobody's loss, for it holds no pointer: MADV_DONTNEED is no write, and not every
// mechanism sees it.
template <mechanism Mechanism>
class verify {
 public:
  // Errors: those of Mechanism::open; ENOSYS or EPERM where process_vm_readv is forbidden.
  static result<verify> open(kernel::system_calls calls = {}, lost_page_report report = {}) {
    result<Mechanism> opened = Mechanism::open(calls);
    if (!opened) return opened.error();
    return over(std::move(*opened), calls, report);
  }
  static result<verify> over(Mechanism checked, kernel::system_calls calls = {},
                             lost_page_report report = {}) {
    verify made(std::move(checked), calls, report);
    if (const error why = made.window_.reserve(window_bytes / sizeof(std::uint64_t))) return why;
    made.window_.resize(window_bytes / sizeof(std::uint64_t));
    if (const error why = made.second_look_.reserve(1)) return why;
    std::uint64_t probe = 0;
    if (const long got = made.copy_out(address_range(&made, sizeof probe), &probe); got < 0) {
      return error{"process_vm_readv", static_cast<int>(-got), {}, "verification reads the arenas by it"};
    }
    return made;
  }

  [[nodiscard]] static constexpr mechanism_kind kind() requires requires {
    std::integral_constant<mechanism_kind, Mechanism::kind()>{};
  }
  { return Mechanism::kind(); }
  [[nodiscard]] mechanism_kind kind() const { return checked_.kind(); }
  [[nodiscard]] mechanism_traits traits() const { return checked_.traits(); }
  [[nodiscard]] mechanism_counters counters() const { return checked_.counters(); }

  // Also ENOMEM: no address space for the copy.
  error attach(address_range range) {
    shadow* const existing = find(range.begin);
    const bool fresh = existing == nullptr || existing->range.begin != range.begin;
    if (fresh) {
      // Somebody detached it without our knowledge, and mapped something else there.
      drop_overlapping(range);
      if (const error why = shadows_.reserve(shadows_.size() + 1)) return why;
      shadows_.push_back(shadow(calls_));
    }
    shadow& one = fresh ? shadows_.back() : *existing;
    error why = one.cover(range);
    if (!why) why = checked_.attach(range);
    if (why) {
      one.known.reset(range);
      if (fresh) shadows_.truncate(shadows_.size() - 1);
    }
    return why;
  }
  error detach(address_range range) {
    for (std::size_t i = 0; i < shadows_.size(); ++i) {
      shadow& one = shadows_[i];
      if (range.begin == one.range.begin) {
        shadows_.erase(i);
        break;
      }
      if (one.range.contains(range.begin)) {
        (void)one.cover({one.range.begin, range.begin});  // smaller: cannot fail
        break;
      }
    }
    return checked_.detach(range);
  }

  error read(address_range range, run_list& out) {
    if (const error why = checked_.read(range, out)) return distrust(range, why);
    if (shadow* const one = find(range.begin)) {
      for (const address_range run : reported(range, out)) one->owed.reset(run);
      compare(*one, range, out);
    }
    return {};
  }
  error read_and_protect(address_range range, run_list& out) {
    if (const error why = checked_.read_and_protect(range, out)) return distrust(range, why);
    if (shadow* const one = find(range.begin)) {
      compare(*one, range, out);
      for (const address_range run : reported(range, out)) one->known.reset(run);
      one->owed.reset(range);
      learn(*one, range);
    }
    relearn_others(range);
    return {};
  }
  error protect(address_range range) {
    if (const error why = checked_.protect(range)) return distrust(range, why);
    if (shadow* const one = find(range.begin)) {
      forget(*one, range);
      relearn(*one, range);
    }
    relearn_others(range);
    return {};
  }
  error unprotect(address_range range) {
    if (const error why = checked_.unprotect(range)) return distrust(range, why);
    return {};
  }
  error reopen() {
    for (shadow& one : shadows_) one.forget_all();
    return checked_.reopen();
  }

  // What the tracker calls beside the concept: these pages are in every set whatever the mechanism says, so
  // they are nobody's loss. Afterwards they are not compared until they were protected again.
  void always_dirty(address_range range, bool enabled) {
    shadow* const one = find(range.begin);
    if (one == nullptr) return;
    if (enabled) {
      one->exempt.set(range);
    } else {
      one->exempt.reset(range);
      one->known.reset(range);
    }
  }

  // The mechanism that is checked.
  Mechanism& checked() { return checked_; }

 private:
  // An arena's copy.
  class shadow {
   public:
    shadow() = default;
    explicit shadow(kernel::system_calls calls) : known(calls), exempt(calls), owed(calls), calls_(calls) {}
    shadow(shadow&& other) noexcept { *this = std::move(other); }
    shadow& operator=(shadow&& other) noexcept {
      std::swap(range, other.range);
      std::swap(known, other.known);
      std::swap(exempt, other.exempt);
      std::swap(owed, other.owed);
      std::swap(calls_, other.calls_);
      std::swap(copy_, other.copy_);
      std::swap(copy_bytes_, other.copy_bytes_);
      return *this;
    }
    shadow(const shadow&) = delete;
    shadow& operator=(const shadow&) = delete;
    ~shadow() {
      if (copy_ != nullptr) calls_.unmap(copy_, copy_bytes_);
    }

    address_range range;
    page_bitmap known;   // the copy is what the page held when it was last protected
    page_bitmap exempt;  // always dirty
    page_bitmap owed;    // found written by a second look: must still be reported

    // Makes it a copy of `to`, which begins where it did. Not a mapped_array, which would touch every page:
    // what is zero in an arena costs no memory here.
    error cover(address_range to) {
      if (to.bytes() > copy_bytes_) {
        const long answer = copy_ == nullptr
                                ? calls_.map(to.bytes())
                                : calls_.call(SYS_mremap, copy_, copy_bytes_, to.bytes(), MREMAP_MAYMOVE);
        if (kernel::failed(answer)) {
          return {"mmap", static_cast<int>(-answer), to, "verification needs a copy of every arena"};
        }
        copy_ = reinterpret_cast<char*>(answer);
        copy_bytes_ = to.bytes();
      }
      const bool fresh = range.empty();
      for (page_bitmap* bits : {&known, &exempt, &owed}) {
        if (const error why = bits->cover(to, kernel::page_size())) return why;
        if (fresh) bits->clear();
      }
      range = to;
      return {};
    }
    void forget_all() {
      known.clear();
      owed.clear();
    }
    [[nodiscard]] char* copy_of(std::uintptr_t address) { return copy_ + (address - range.begin); }

   private:
    kernel::system_calls calls_;
    char* copy_ = nullptr;
    std::size_t copy_bytes_ = 0;
  };

  static constexpr std::size_t window_bytes = std::size_t{256} << 10;

  verify(Mechanism checked, kernel::system_calls calls, lost_page_report report)
      : calls_(calls),
        checked_(std::move(checked)),
        report_(report),
        shadows_(calls),
        window_(calls),
        second_look_(calls) {}

  shadow* find(std::uintptr_t address) {
    for (shadow& one : shadows_) {
      if (one.range.contains(address)) return &one;
    }
    return nullptr;
  }
  void drop_overlapping(address_range range) {
    for (std::size_t i = shadows_.size(); i-- > 0;) {
      if (shadows_[i].range.overlaps(range)) shadows_.erase(i);
    }
  }

  // The mechanism's answer about `range`.
  static dirty_set reported(address_range range, const run_list& out) {
    return dirty_set(out.runs()).between(range.begin, range.end);
  }

  // After an error nothing that was copied says anything about what is protected now.
  error distrust(address_range range, error why) {
    for (shadow& one : shadows_) {
      if (one.range.contains(range.begin) || traits().clears_whole_process) one.forget_all();
    }
    return why;
  }

  // Calls act(run) for each run of known pages within `range` that the mechanism did not report.
  template <class F>
  void each_silent_run(shadow& one, address_range range, const run_list& out, F act) {
    for (std::uintptr_t at = range.begin; at < range.end;) {
      const address_range known = one.known.next_run(at).intersection(range);
      if (known.empty()) return;
      std::uintptr_t from = known.begin;
      for (const address_range run : reported(known, out)) {
        if (from < run.begin) act(address_range{from, run.begin});
        from = run.end;
      }
      if (from < known.end) act(address_range{from, known.end});
      at = known.end;
    }
  }

  // Calls act(page, bytes) for each page of the run that can be read, with what is in it.
  template <class F>
  void each_page(address_range run, F act) {
    const std::size_t page = kernel::page_size();
    const char* const bytes = reinterpret_cast<const char*>(window_.data());
    for (std::uintptr_t at = run.begin; at < run.end;) {
      const address_range part{at, std::min(run.end, at + window_bytes)};
      const long got = copy_out(part, window_.data());
      const std::size_t whole = got < 0 ? 0 : static_cast<std::size_t>(got) / page * page;
      for (std::size_t offset = 0; offset < whole; offset += page) {
        act(address_range{at + offset, at + offset + page}, bytes + offset);
      }
      at += whole < part.bytes() ? whole + page : whole;  // past the page that could not be read
    }
  }

  // The kernel does the reading: that cannot fault in this process, whatever the owner has done with the
  // memory, and no sanitizer mistakes it for a race with the mutators.
  long copy_out(address_range from, void* to) const {
    const iovec local{to, from.bytes()};
    const iovec remote{reinterpret_cast<void*>(from.begin), from.bytes()};
    return calls_.call(SYS_process_vm_readv, calls_.call(SYS_getpid), &local, 1, &remote, 1, 0);
  }

  void compare(shadow& one, address_range range, const run_list& out) {
    each_silent_run(one, range, out, [&](address_range run) {
      each_page(run, [&](address_range page, const char* bytes) {
        const char* const copy = one.copy_of(page.begin);
        if (std::memcmp(copy, bytes, page.bytes()) == 0 || one.exempt.next_run(page.begin).contains(page)) {
          return;
        }
        second_look_.clear();
        if (checked_.read(page, second_look_)) return;
        if (!second_look_.runs().empty()) {
          one.owed.set(page);
          return;
        }
        accuse(one, page, bytes);
      });
    });
  }

  void accuse(shadow& one, address_range page, const char* bytes) {
    char* const copy = one.copy_of(page.begin);
    if (std::any_of(bytes, bytes + page.bytes(), [](char byte) { return byte != 0; })) {
      const char* const first = std::mismatch(copy, copy + page.bytes(), bytes).first;
      report_.call(report_.context,
                   {page, page.begin + static_cast<std::size_t>(first - copy), checked_.kind()});
    }
    std::memcpy(copy, bytes, page.bytes());  // one loss, one report
  }

  // What was written is forgotten, so a write that no answer has told is lost.
  void forget(shadow& one, address_range range) {
    for (std::uintptr_t at = range.begin; at < range.end;) {
      const address_range run = one.owed.next_run(at).intersection(range);
      if (run.empty()) break;
      each_page(run, [&](address_range page, const char* bytes) { accuse(one, page, bytes); });
      at = run.end;
    }
    one.owed.reset(range);
  }

  // Copies the pages that are not known. All of the range has just been protected.
  void learn(shadow& one, address_range range) {
    for (std::uintptr_t at = range.begin; at < range.end;) {
      const address_range known = one.known.next_run(at).intersection(range);
      const address_range gap{at, known.empty() ? range.end : known.begin};
      each_page(gap, [&](address_range page, const char* bytes) {
        char* const copy = one.copy_of(page.begin);
        if (std::memcmp(copy, bytes, page.bytes()) != 0) std::memcpy(copy, bytes, page.bytes());
        one.known.set(page);
      });
      at = known.empty() ? range.end : known.end;
    }
  }
  void relearn(shadow& one, address_range range) {
    one.known.reset(range);
    learn(one, range);
  }
  void relearn_others(address_range range) {
    if (!traits().clears_whole_process) return;
    for (shadow& one : shadows_) {
      if (!one.range.contains(range.begin)) relearn(one, one.range);
    }
  }

  kernel::system_calls calls_;
  Mechanism checked_;
  lost_page_report report_;
  kernel::mapped_array<shadow> shadows_;
  kernel::mapped_array<std::uint64_t> window_;
  run_list second_look_;
};

GCBARRIER_NAMESPACE_END

#endif
