// What every way of learning written pages offers to the write tracker.
#ifndef GCBARRIER_MECHANISM_MECHANISM_HPP
#define GCBARRIER_MECHANISM_MECHANISM_HPP

#include <concepts>
#include <cstdint>

#include "../address_range.hpp"
#include "../error.hpp"
#include "../run_list.hpp"
#include "../version.hpp"

GCBARRIER_NAMESPACE_BEGIN

enum class mechanism_kind : std::uint8_t {
  uffd_async,  // userfaultfd asynchronous write-protect + PAGEMAP_SCAN: Linux 6.7
  soft_dirty,  // /proc/self/clear_refs and pagemap bit 55: where the kernel has CONFIG_MEM_SOFT_DIRTY
  mprotect,    // mprotect + SIGSEGV: everywhere
  uffd_sync,   // userfaultfd write-protect and a monitor thread: for comparison, never chosen
};
inline constexpr int mechanism_count = 3;  // of those that a tracker chooses among, which come first

constexpr const char* name_of(mechanism_kind kind) {
  switch (kind) {
    case mechanism_kind::uffd_async:
      return "uffd_async";
    case mechanism_kind::soft_dirty:
      return "soft_dirty";
    case mechanism_kind::mprotect:
      return "mprotect";
    case mechanism_kind::uffd_sync:
      return "uffd_sync";
  }
  return "unknown";
}

// What users of a mechanism have to know about it.
struct mechanism_traits {
  bool
      sees_system_calls;  // read(2) into protected memory works and marks the page; else it fails with EFAULT
  bool atomic_collect;  // reading and protecting are one step; else mutators must be stopped during collect()
  bool clears_whole_process;  // protecting one arena forgets the writes to all others
  bool adopted = false;       // uses the descriptors that it was given and must open no file
};

// What a block of memory lies on that a huge page could cover.
enum class block_pages : std::uint8_t { small, huge, other };  // other: in part not there, or a mixture

// What a mechanism has done so far.
struct mechanism_counters {
  std::uint64_t system_calls = 0;
  std::uint64_t pages_protected = 0;
};

// Ranges are page-aligned. All calls but fault handling come from one thread at a time. After an error from
// any of them the caller takes the whole arena as written, and attaches it again before trusting another
// answer.
template <class M>
concept mechanism = std::movable<M> && requires(M m, const M c, address_range range, run_list& out) {
  { c.kind() } -> std::same_as<mechanism_kind>;
  { c.traits() } -> std::same_as<mechanism_traits>;
  // Begins to watch the range. Until it is protected for the first time it reads as written, or its writes
  // are noticed all the same; what it reads as when it is attached again, after an error, is not defined, and
  // the tracker takes all of it as written until it has protected it.
  { m.attach(range) } -> std::same_as<error>;
  { m.detach(range) } -> std::same_as<error>;
  // Appends the runs written since they were last protected, in address order.
  { m.read(range, out) } -> std::same_as<error>;
  { m.read_and_protect(range, out) } -> std::same_as<error>;
  // Forgets what was written so far.
  { m.protect(range) } -> std::same_as<error>;
  // Makes the next writes to the range free where the mechanism can; it may read as written from now on.
  { m.unprotect(range) } -> std::same_as<error>;
  // Begins anew with nothing attached: in a forked child, or after descriptors were closed behind its back.
  { m.reopen() } -> std::same_as<error>;
  { c.counters() } -> std::same_as<mechanism_counters>;
};

// One that can move a block to a huge page and go on tracking it: see uffd_async.
template <class M>
concept collapsing_mechanism = mechanism<M> && requires(M m, address_range block) {
  { m.pages_of(block) } -> std::same_as<result<block_pages>>;
  { m.collapse(block) } -> std::same_as<result<bool>>;
};

GCBARRIER_NAMESPACE_END

#endif
