/// @file gcbarrier.h
/// The C interface: which heap pages a program wrote, from the kernel. Needs C99 or C++; link with
/// -lgcbarrier.
///
/// A collector without a write barrier opens a tracker, adds the memory that its old objects live in, and
/// asks at each collection for the pages that were written:
///
///     gcb_peek(tracker, &dirty);   /* the world is stopped */
///     for (size_t i = 0; gcb_run(&dirty, i, &run); ++i) search(run.begin, run.end);
///     ...                          /* mark, move, free */
///     gcb_arm(tracker);            /* last: the collector's own writes are not reported */
///
/// or, while mutators run, gcb_collect(), which reads and protects again in one step.
///
/// **The promise.** For every write to an arena that completed before gcb_collect() was called, its page is
/// in that set or in an earlier one since the arena was armed; a write that races with the call is in this
/// set or the next. Whatever goes wrong, the answer widens, up to whole arenas, and gcb_problem() says why.
/// It never narrows.
///
/// **Errors.** Functions that can fail return 0, or an errno value and, where `why` is not null, the details
/// in
/// `*why`. Nothing is thrown, printed or left in errno.
///
/// **Units.** Sizes are in bytes. Arenas begin and end on page boundaries; all other ranges are widened to
/// whole pages.
///
/// **Threads.** Mutators need nothing. gcb_retain() and gcb_found_young() may be called by several threads at
/// once, and a gcb_dirty_set may be read by several. Every other call on a tracker needs the caller's
/// exclusion, against those two too. Different trackers are independent.
///
/// **Memory.** From mmap, never from malloc. Nothing is allocated but by gcb_open(), gcb_add_arena() and
/// gcb_resize_arena().
///
/// **Fork.** A child may go on using its copy of a tracker: its first set is everything. The parent's is not
/// disturbed.
///
/// **Growth.** Structs that may grow begin with their size, which the caller sets with their initialiser
/// (GCB_ERROR_INIT and so on); 0 stands for the size in version 0.1. So a program and a library of different
/// versions work together as long as the soname is the same.
#ifndef GCBARRIER_GCBARRIER_H
#define GCBARRIER_GCBARRIER_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// Marks what the library exports.
#define GCB_API __attribute__((visibility("default")))
/// Marks functions whose answer must not be ignored.
#define GCB_CHECKED __attribute__((warn_unused_result))

#define GCB_VERSION_MAJOR 0  ///< of this header
#define GCB_VERSION_MINOR 1  ///< of this header
#define GCB_VERSION_PATCH 0  ///< of this header

/// The version of the library that is linked: "0.1.0". Static text.
GCB_API const char* gcb_version(void);

/// Bytes in a page: every run in a set begins and ends on a multiple of it.
GCB_API size_t gcb_page_size(void);

/// Addresses, from `begin` to one past the last byte.
typedef struct gcb_range {
  uintptr_t begin;  ///< the first byte
  uintptr_t end;    ///< one past the last byte
} gcb_range;

/// What failed, on what, and what to do about it.
typedef struct gcb_error {
  size_t size;            ///< sizeof(gcb_error), set by the caller
  int code;               ///< an errno value; 0: nothing failed
  const char* operation;  ///< the call that failed; static text
  const char* advice;     ///< what the caller or user can do, perhaps ""; static text
  gcb_range where;        ///< the memory it was about; empty where it was about none
} gcb_error;

/// An error to be filled in.
#define GCB_ERROR_INIT              \
  {                                 \
    sizeof(gcb_error), 0, "", "", { \
      0, 0                          \
    }                               \
  }

/// Writes the error as one line, NUL-terminated and cut to `bytes`. Returns the length that the whole line
/// has. `text` may be null where `bytes` is 0.
GCB_API size_t gcb_describe(const gcb_error* error, char* text, size_t bytes);

/// The ways of learning written pages.
enum gcb_mechanism {
  GCB_BEST = 0,        ///< the first of those below that works here
  GCB_UFFD_ASYNC = 1,  ///< userfaultfd asynchronous write-protect and PAGEMAP_SCAN: Linux 6.7
  GCB_SOFT_DIRTY = 2,  ///< soft-dirty bits: where the kernel has CONFIG_MEM_SOFT_DIRTY
  GCB_MPROTECT = 3     ///< mprotect and SIGSEGV: everywhere
};

/// "uffd_async", "soft_dirty", "mprotect", "best" or "unknown". Static text.
GCB_API const char* gcb_mechanism_name(int mechanism);

/// What stands in a mechanism's way.
enum gcb_obstacle {
  GCB_WORKS = 0,           ///< nothing
  GCB_KERNEL_TOO_OLD = 1,  ///< it needs a newer Linux
  GCB_KERNEL_CONFIG = 2,   ///< new enough, but built without it
  GCB_SECCOMP = 3,         ///< a filter of this process, or of the service that it runs in
  GCB_CONTAINER = 4,       ///< the same, and it looks like a container's
  GCB_POLICY = 5,          ///< refused; neither seccomp nor the dumpable flag explains it
  GCB_NOT_DUMPABLE = 6,    ///< after setuid, or by prctl
  GCB_NO_PROC = 7,         ///< /proc is not mounted
  GCB_EXHAUSTED = 8,       ///< out of descriptors or memory
  GCB_SIGNAL_BLOCKED = 9,  ///< SIGSEGV is blocked on this thread
  GCB_SELF_TEST = 10,      ///< everything was accepted, and a write was not reported
  GCB_OTHER = 11           ///< see the error
};

/// Tries one mechanism for real, on a scratch mapping, and returns an obstacle: GCB_WORKS, or what is in the
/// way, with details and advice in `*why`. Takes about a tenth of a millisecond and leaves nothing behind.
/// Any thread. Where a sandbox answers userfaultfd with a kill, do not call this; see gcb_options::adopt.
GCB_API int gcb_probe(int mechanism, gcb_error* why);

/// What to protect again after a set was read.
enum gcb_policy {
  GCB_PROTECT_EVERYTHING = 0,  ///< every page that was written
  /// Only pages where that pays. One that is written in most collections stays unprotected, costs no fault,
  /// and is in every set, written or not. Tell the tracker where a search found something: gcb_found_young().
  GCB_PROTECT_WHAT_PAYS = 1
};

/// How to open a tracker.
typedef struct gcb_options {
  size_t size;    ///< sizeof(gcb_options), set by the caller
  int mechanism;  ///< an enum gcb_mechanism
  int adopt;      ///< not 0: use the two descriptors below, without any probing that a sandbox might kill for
  int userfaultfd;  ///< UFFDIO_API done, with UFFD_FEATURE_WP_ASYNC, WP_UNPOPULATED and WP_HUGETLBFS_SHMEM
  int pagemap;      ///< /proc/self/pagemap, open for reading, by this very process
  int policy;       ///< an enum gcb_policy
} gcb_options;

/// The defaults: the best mechanism, descriptors of the library's own, everything protected.
#define GCB_OPTIONS_INIT \
  { sizeof(gcb_options), GCB_BEST, 0, -1, -1, GCB_PROTECT_EVERYTHING }

/// Follows the writes to a set of arenas.
typedef struct gcb_tracker gcb_tracker;

/// Opens a tracker; `options` may be null. Adopted descriptors belong to it from then on.
/// With GCB_PROTECT_WHAT_PAYS it measures this machine's costs first, about 2 ms on scratch memory; not with
/// adopted descriptors or soft_dirty.
/// Errors: what prevented the mechanism that was asked for, or the last one tried; EINVAL for an unknown
/// mechanism or policy, E2BIG for options that this version of the library does not know: adopted descriptors
/// are the caller's still after these two, and closed after others. `*opened` is null after any.
GCB_API GCB_CHECKED int gcb_open(const gcb_options* options, gcb_tracker** opened, gcb_error* why);

/// Closes a tracker; null is fine. The arenas stay as they are, writable.
GCB_API void gcb_close(gcb_tracker* tracker);

/// The mechanism that was chosen: an enum gcb_mechanism.
GCB_API int gcb_chosen(const gcb_tracker* tracker);

/// Why a mechanism was not chosen when the tracker was opened: an error code, or 0 for one that works or was
/// not tried.
GCB_API int gcb_refusal(const gcb_tracker* tracker, int mechanism, gcb_error* why);

/// What users of a mechanism have to know about it; bits.
enum gcb_trait {
  GCB_SEES_SYSTEM_CALLS = 1,    ///< read(2) into an arena works and is seen; else it fails with EFAULT
  GCB_ATOMIC_COLLECT = 2,       ///< mutators may run during gcb_collect(); else they must be stopped
  GCB_CLEARS_WHOLE_PROCESS = 4  ///< whoever else clears the bits in this process takes this tracker's away
};

/// The traits of the mechanism that was chosen: bits of enum gcb_trait.
GCB_API unsigned gcb_traits(const gcb_tracker* tracker);

/// @name Arenas
/// @{

/// Begins to track memory: mapped, readable and writable, on ordinary pages, both ends on page boundaries.
/// All of it is in the next set, unless gcb_arm() comes first. Arming empty space costs page tables and its
/// first writes a second fault: add what holds objects, and grow. Errors: EINVAL misaligned or empty; EEXIST
/// overlaps an arena; ENOMEM not all mapped; EACCES not writable; ENOTSUP hugetlb; EBUSY another
/// userfaultfd's; those of the mechanism. Nothing is tracked after an error.
GCB_API GCB_CHECKED int gcb_add_arena(gcb_tracker* tracker, void* base, size_t bytes, gcb_error* why);

/// Changes the size of the arena that begins at `base`. What is added is in the next set (with mprotect, all
/// of the arena), unless gcb_arm() comes first. To shrink, call it before the memory is unmapped. Errors:
/// ENOENT where no arena begins; of growing, those of gcb_add_arena(), and after one the arena has its old
/// size and all of it is in the next set; of shrinking, those of the mechanism, and the arena is shorter even
/// so.
GCB_API GCB_CHECKED int gcb_resize_arena(gcb_tracker* tracker, void* base, size_t bytes, gcb_error* why);

/// Ends the tracking of the arena that begins at `base`; the memory stays as it is, writable. Call it before
/// the memory is unmapped; with mprotect nobody may be writing to it meanwhile. ENOENT where no arena begins;
/// otherwise the arena is gone even if the mechanism reports an error.
GCB_API int gcb_remove_arena(gcb_tracker* tracker, void* base, gcb_error* why);

/// How many arenas there are.
GCB_API size_t gcb_arena_count(const gcb_tracker* tracker);

/// Bytes in all arenas together.
GCB_API size_t gcb_tracked_bytes(const gcb_tracker* tracker);

/// 1 if every byte of the range lies in an arena, else 0.
GCB_API int gcb_tracks(const gcb_tracker* tracker, const void* base, size_t bytes);

/// @}
/// @name A collection
/// @{

/// A remembered set, or a part of one: runs of pages, ordered by address, disjoint, not empty. A view that
/// owns nothing: valid until the next call of gcb_collect(), gcb_peek() or their kin, of a function that
/// changes arenas, or of gcb_close(). May be copied.
typedef struct gcb_dirty_set {
  uintptr_t opaque[6];  ///< the library's own
} gcb_dirty_set;

/// The pages written since they were last protected, protected again in the same atomic step where the
/// mechanism can (GCB_ATOMIC_COLLECT).
GCB_API void gcb_collect(gcb_tracker* tracker, gcb_dirty_set* set);

/// What gcb_collect() would give, changing nothing.
GCB_API void gcb_peek(gcb_tracker* tracker, gcb_dirty_set* set);

/// gcb_collect() for a range: pages outside it are neither reported nor protected nor forgotten. Not with a
/// mechanism that clears the whole process: there the set is that of all arenas.
GCB_API void gcb_collect_range(gcb_tracker* tracker, const void* base, size_t bytes, gcb_dirty_set* set);

/// gcb_peek() for a range.
GCB_API void gcb_peek_range(gcb_tracker* tracker, const void* base, size_t bytes, gcb_dirty_set* set);

/// Forgets every write so far, read or not: the end of a stop-the-world collection. With
/// GCB_PROTECT_WHAT_PAYS some pages stay in the next set, written or not.
GCB_API void gcb_arm(gcb_tracker* tracker);

/// Why the last collection or arming knows less than it should and answers with whole arenas, now or at the
/// next call: an error code; 0 where the answer is exact to the page.
GCB_API int gcb_problem(const gcb_tracker* tracker, gcb_error* why);

/// Moves memory that was in none of the last `clean_sets` sets to huge pages, block by block, until
/// `nanoseconds` are used up; no block is begun later, and one takes about half a millisecond. Where it ends
/// the next call goes on. With the world stopped, between gcb_peek() and gcb_arm(). It may also run while
/// mutators do, and then the next set has the blocks that were moved whole. Returns how many were. What the
/// kernel refuses to move stays on small pages and is no error; so does everything with a mechanism other
/// than uffd_async. Pays for large heaps that are seldom written: see docs/policy.md.
GCB_API size_t gcb_collapse_cold(gcb_tracker* tracker, uint64_t nanoseconds, unsigned clean_sets);

/// @}
/// @name What the kernel cannot know
/// @{

/// The pages that the range touches are in the next set though nobody writes them: they still hold pointers
/// to young objects. After gcb_peek() that is the first set after gcb_arm(). Several threads at once.
GCB_API void gcb_retain(gcb_tracker* tracker, const void* base, size_t bytes);

/// A search of the pages that the range touches, which were in the last set, found a pointer to a young
/// object: so they are known to have been written. For GCB_PROTECT_WHAT_PAYS; else it does nothing. Before
/// gcb_arm(), or any time after gcb_collect(). Several threads at once.
GCB_API void gcb_found_young(gcb_tracker* tracker, const void* base, size_t bytes);

/// The pages that the range touches are in every set while `enabled` is not 0: memory written behind the page
/// tables' back, by pinned pages (io_uring registered buffers, O_DIRECT, RDMA) or through another mapping.
/// When that ends they are in the next set once more. Only memory that is in an arena now: call it again
/// after adding or growing one.
GCB_API void gcb_always_dirty(gcb_tracker* tracker, const void* base, size_t bytes, int enabled);

/// Announces a bulk write: makes the pages free to write in one call, and they are in the next set. Pays from
/// about four pages. After an error the arena is in the next set as a whole; nothing is lost by ignoring it.
GCB_API int gcb_expect_writes(gcb_tracker* tracker, const void* base, size_t bytes, gcb_error* why);

/// @}
/// @name Reading a set
/// Any thread, any number at once. None allocates.
/// @{

/// How many runs the set has.
GCB_API size_t gcb_run_count(const gcb_dirty_set* set);

/// Run `index`, from 0, in address order. 1, or 0 where there is none.
GCB_API int gcb_run(const gcb_dirty_set* set, size_t index, gcb_range* run);

/// Bytes in all runs together. Linear in their number.
GCB_API size_t gcb_dirty_bytes(const gcb_dirty_set* set);

/// 1 if the address is in the set, else 0: the question that a card table answers. Logarithmic in the number
/// of runs.
GCB_API int gcb_contains(const gcb_dirty_set* set, const void* address);

/// 1 if any byte of the range is in the set, else 0. Logarithmic in the number of runs.
GCB_API int gcb_touches(const gcb_dirty_set* set, const void* base, size_t bytes);

/// Share `index` of `count`, for marker threads: the shares cover the set, do not overlap, and differ in size
/// by less than two granules. Cuts fall on multiples of `granule` bytes, a power of two.
GCB_API void gcb_share(const gcb_dirty_set* set, size_t index, size_t count, size_t granule,
                       gcb_dirty_set* share);

/// The part of the set inside the range.
GCB_API void gcb_between(const gcb_dirty_set* set, const void* base, size_t bytes, gcb_dirty_set* part);

/// @}

/// What a tracker has done since it was opened.
typedef struct gcb_counters {
  size_t size;             ///< sizeof(gcb_counters), set by the caller
  uint64_t collections;    ///< sets returned
  uint64_t pages_scanned;  ///< that the mechanism was asked about
  uint64_t pages_dirty;    ///< in those sets
  uint64_t pages_armed;    ///< newly protected
  uint64_t system_calls;   ///< of the mechanism
  uint64_t nanoseconds;    ///< in collecting, peeking and arming
} gcb_counters;

/// Counters to be filled in.
#define GCB_COUNTERS_INIT \
  { sizeof(gcb_counters), 0, 0, 0, 0, 0, 0 }

/// Reads the counters.
GCB_API void gcb_read_counters(const gcb_tracker* tracker, gcb_counters* counters);

#ifdef __cplusplus
}
#endif

#endif
