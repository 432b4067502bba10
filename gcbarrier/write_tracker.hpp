// What a runtime uses: registers heap arenas, and returns the pages written since the last collection.
#ifndef GCBARRIER_WRITE_TRACKER_HPP
#define GCBARRIER_WRITE_TRACKER_HPP

#include <time.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>

#include "address_range.hpp"
#include "dirty_set.hpp"
#include "error.hpp"
#include "kernel/fork_sentinel.hpp"
#include "kernel/mapped_array.hpp"
#include "kernel/mappings.hpp"
#include "kernel/system_calls.hpp"
#include "mechanism/any_mechanism.hpp"
#include "mechanism/mechanism.hpp"
#include "page_bitmap.hpp"
#include "policy/cold_blocks.hpp"
#include "policy/policy.hpp"
#include "run_list.hpp"
#include "version.hpp"

GCBARRIER_NAMESPACE_BEGIN

// Since the tracker was opened.
struct tracker_counters {
  std::uint64_t collections = 0;    // calls of collect() and peek()
  std::uint64_t pages_scanned = 0;  // that the mechanism was asked about
  std::uint64_t pages_dirty = 0;    // in the sets returned
  std::uint64_t pages_armed = 0;    // newly protected
  std::uint64_t system_calls = 0;
  std::uint64_t nanoseconds = 0;  // in collect(), peek() and arm()
};

// What collapse_cold() may do.
struct collapse_limits {
  std::uint64_t nanoseconds = 5'000'000;  // no block is begun later; one takes about half a millisecond
  std::uint32_t clean_sets = 32;          // only blocks that were in none of so many sets
};

// The promise: for every write to an arena that completed before collect() was called, its page is in that
// result or in an earlier one since the arena was armed; a write that races with collect() is in this result
// or the next. Whatever goes wrong, the answer widens, up to whole arenas, and problem() says why. It never
// narrows.
//
// Two ways to use it. While mutators run: collect(), which reads and protects in one step. With the world
// stopped: peek(), then the collection, then arm(), so that the collector's own writes cost no faults and are
// not reported.
//
// Threads: mutators need nothing. retain() may be called by several threads at once; every other call needs
// the caller's exclusion, against retain() too. Memory: everything is reserved when arenas are added, from
// mmap, never from malloc; collect(), peek(), arm() and retain() allocate nothing. Fork: a child that uses an
// inherited tracker is noticed; its first result is everything, and the parent's tracking is not disturbed.
//
// Policy: what to protect again. A page that it leaves alone is in each set until it is protected.
template <mechanism Mechanism, arming_policy Policy = protect_everything>
class basic_write_tracker {
 public:
  static result<basic_write_tracker> over(Mechanism mechanism, kernel::system_calls calls = {},
                                          Policy policy = Policy{}) {
    basic_write_tracker made(std::move(mechanism), calls, std::move(policy));
    if (const error why = made.sentinel_.open()) return why;
    return made;
  }

  basic_write_tracker(basic_write_tracker&&) noexcept = default;
  basic_write_tracker& operator=(basic_write_tracker&&) noexcept = default;
  // Memory stays as it is, writable. Closing the descriptors would end the tracking too, but not while a
  // forked child has copies of them.
  ~basic_write_tracker() {
    if (arenas_.empty() || in_child()) return;
    for (arena& one : arenas_) (void)mechanism_.detach(one.attached);
  }

  // ---- arenas ----

  // Begins to track memory, mapped and writable, on ordinary pages, page-aligned. All of it is in the next
  // set, unless arm() comes first. Arming empty space costs page tables and its first writes a second fault:
  // add what holds objects and grow. The `reserve` bytes that follow are in no set and not protected, but so
  // that resize_arena() can take them in without a system call. Errors, of the reserve too: EINVAL misaligned
  // or empty; EEXIST overlaps an arena; ENOMEM not all mapped; EACCES not writable; ENOTSUP hugetlb; EBUSY
  // another userfaultfd's; those of the mechanism. Nothing is tracked after an error.
  error add_arena(address_range range, std::size_t reserve = 0) {
    const address_range all{range.begin, range.end + reserve};
    if (range.empty() || !range.aligned_to(kernel::page_size()) || reserve % kernel::page_size() != 0 ||
        all.end < range.end) {
      return {"add_arena", EINVAL, range, "both ends must lie on page boundaries"};
    }
    std::size_t at = 0;
    while (at < arenas_.size() && arenas_[at].range.begin < range.begin) ++at;
    if (overlaps_another(all, nullptr)) {
      return {"add_arena", EEXIST, range, "it overlaps an arena of this tracker"};
    }
    // Before any table is mapped: that could land in a hole, and be tracked as a part of the arena.
    if (const error why = check_memory(all)) return why;
    if (const error why = make_room(arenas_.size() + 1, attached_bytes() + all.bytes())) return why;
    arena fresh(calls_);
    if (const error why = fresh.cover(all)) return why;
    (void)fresh.cover(range);  // smaller: cannot fail
    fresh.clear_bits();
    if (in_child()) start_over();
    if (const error why = attach(all)) return why;
    fresh.range = range;
    fresh.attached = all;
    fresh.known_end = range.begin;
    fresh.reported.set(range);
    arenas_.insert(at, std::move(fresh));
    return {};
  }

  // Changes the size of the arena that begins at `base`. What is added is in the next set, unless arm() comes
  // first. Errors of growing are those of add_arena; after one the arena has its old size, and all of it is
  // in the next set. Beyond the reserve of before it needs system calls, and takes a new one. To shrink,
  // which gives up the reserve, call it before the memory is unmapped; the arena is shorter then even if the
  // mechanism reports an error.
  error resize_arena(const void* base, std::size_t bytes, std::size_t reserve = 0) {
    arena* const found = find(base);
    if (found == nullptr) return no_such("resize_arena", base);
    const address_range before = found->range;
    const address_range after(base, bytes);
    if (after.empty() || !after.aligned_to(kernel::page_size()) || reserve % kernel::page_size() != 0 ||
        after.end + reserve < after.end) {
      return {"resize_arena", EINVAL, after, "the size must be whole pages; remove_arena to end it"};
    }
    if (in_child()) start_over();
    if (after == before) return {};
    if (after.end < before.end) {
      const error why = mechanism_.detach({after.end, found->attached.end});
      (void)found->cover(after);  // smaller: cannot fail
      found->range = found->attached = after;
      if (why) lose(*found, why);
      return why;
    }
    const address_range added{before.end, after.end};
    if (found->attached.end < after.end) {
      if (const error why = attach_more(*found, {after.begin, after.end + reserve})) return why;
    }
    (void)found->cover(after);  // there is room
    found->reported.set(added);
    found->range = after;
    return {};
  }

  // Ends tracking; the memory stays as it is, writable. Call it before the memory is unmapped; with mprotect
  // nobody may be writing to it meanwhile, and after an error parts of it may not be writable. ENOENT if no
  // arena begins there; otherwise the arena is gone from the tracker even if the mechanism reports an error.
  error remove_arena(const void* base) {
    arena* const found = find(base);
    if (found == nullptr) return no_such("remove_arena", base);
    if (in_child()) start_over();
    const error why = mechanism_.detach(found->attached);
    const bool expected = found->lost;
    arenas_.erase(static_cast<std::size_t>(found - arenas_.begin()));
    return expected ? error{} : why;
  }

  // ---- a collection ----

  // The remembered set, protected again in the same atomic step where the mechanism can (see traits()). The
  // result is valid until the next call of any function but retain(). With `within`, pages that it does not
  // touch are neither reported nor protected nor forgotten; not so where the mechanism clears the whole
  // process, which makes every answer one about all arenas.
  dirty_set collect(address_range within = everywhere) { return read_all(true, within); }

  // What collect() would return, changing nothing.
  dirty_set peek(address_range within = everywhere) { return read_all(false, within); }

  // Forgets every write so far, read or not: the end of a stop-the-world collection. A policy that selects
  // leaves some pages in the next set, written or not.
  void arm() {
    const stopwatch clock(counters_.nanoseconds);
    if (in_child()) start_over();
    problem_ = {};
    if (mechanism_.traits().clears_whole_process) {
      protect_whole_process();
    } else {
      know_unprotected();
      for (arena& one : arenas_) {
        if (one.lost && !revive(one)) continue;
        const error why =
            rearm(one, one.range, [this](address_range chosen) { return mechanism_.protect(chosen); });
        if (why) lose(one, why);
      }
    }
    for (arena& one : arenas_) one.settle(one.range);
    peeked_ = false;
    scanned_all_ = false;
  }

  // ---- huge pages ----

  // Moves memory that is seldom written to huge pages, block by block, until the time is up: those cost a
  // tenth in a scan, and the program's own accesses miss the TLB less often. Where it ends the next call goes
  // on. Returns how many blocks of huge_page_bytes() were moved. What the kernel refuses to collapse stays on
  // small pages and is no error; so does everything with a mechanism other than uffd_async.
  //
  // With the world stopped, between peek() and arm(). It may also run while mutators do, but then, as their
  // writes to a block that is being moved are seen in no other way, the next set has those blocks whole.
  //
  // It pays by the scan alone after some hundred collections. The first write to a protected huge page splits
  // it, which costs as much as ten to forty faults; a block to which that happened waits twice as long.
  std::size_t collapse_cold(const collapse_limits& limits = {}) {
    if constexpr (!collapsing_mechanism<Mechanism>) {
      return 0;
    } else {
      const stopwatch clock(counters_.nanoseconds);
      problem_ = {};
      if (in_child()) start_over();
      const std::uintptr_t from = collapse_from_;
      std::size_t moved = 0;
      for (const address_range round :
           {address_range{from, ~std::uintptr_t{0}}, address_range{std::uintptr_t{0}, from}}) {
        for (arena& one : arenas_) {
          const address_range part = round.intersection(one.range);
          for (collapse_from_ = part.begin; !one.lost;) {
            const address_range block = one.blocks.next_ripe({collapse_from_, part.end}, limits.clean_sets);
            if (block.empty()) break;
            if (clock.passed() >= limits.nanoseconds) return moved;
            collapse_from_ = block.end;
            if (collapse(one, block)) ++moved;
          }
        }
      }
      return moved;
    }
  }

  // ---- what the kernel cannot know ----

  // The pages that this range touches are in the next set though nobody writes them: they still hold pointers
  // to young objects. After a peek() that is the first set after arm(), and a second peek() shows them too.
  void retain(address_range range) {
    for (arena& one : arenas_) one.retained.set(range);
  }

  // For a policy that selects: a search of the pages that this range touches, which were in the last set,
  // found a pointer into the nursery, so they are known to have been written. Before arm(), or any time after
  // collect(). Several threads at once may call it, like retain().
  void found_young(address_range range) requires(Policy::selects) {
    for (arena& one : arenas_) one.history.note_found(range);
  }

  // The pages that this range touches are in every set from now on: memory written behind the page tables'
  // back, by pinned pages (io_uring registered buffers, O_DIRECT, RDMA) or through another mapping.
  // When that ends they are in the next set once more. Only memory that is in an arena now: call it again
  // after adding or growing one.
  void always_dirty(address_range range, bool enabled = true) {
    for (arena& one : arenas_) {
      const address_range part = range.widened_to(kernel::page_size()).intersection(one.range);
      if (part.empty()) continue;
      if (enabled) {
        one.always.set(part);
      } else {
        one.always.reset(part);
        one.reported.set(part);
      }
      // A mechanism that checks itself must not take these pages for lost ones.
      if constexpr (requires { mechanism_.always_dirty(part, enabled); }) {
        mechanism_.always_dirty(part, enabled);
      }
    }
  }

  // Announces a bulk write: makes the pages that this range touches free to write, in one call; they may be
  // in the next set even if nobody writes. Pays from about four pages. After an error all of the arena is in
  // the next set. The collector may announce its own between peek() and arm(): a sweep, say.
  error expect_writes(address_range range) {
    if (in_child()) start_over();
    scanned_all_ = false;
    error problem;
    for (arena& one : arenas_) {
      const address_range part = range.widened_to(kernel::page_size()).intersection(one.range);
      if (part.empty()) continue;
      // Under mprotect a child has inherited the protections: attaching again makes all of it free to write.
      if (one.lost) {
        if (!revive(one)) problem = problem_;
        continue;
      }
      if (const error why = mechanism_.unprotect(part)) {
        lose(one, why);
        problem = why;
      }
      if constexpr (Policy::selects) policy_.opened(one.history, part);
    }
    return problem;
  }

  // ---- looking at it ----

  // Why the last collect(), peek() or arm() knows less than it should, and answered with whole arenas, now or
  // at the next call. No error: the answer is exact to the page.
  [[nodiscard]] const error& problem() const { return problem_; }
  [[nodiscard]] const Policy& policy() const { return policy_; }
  [[nodiscard]] mechanism_kind kind() const { return mechanism_.kind(); }
  [[nodiscard]] mechanism_traits traits() const { return mechanism_.traits(); }
  [[nodiscard]] std::size_t arena_count() const { return arenas_.size(); }
  // Whether every byte of the range lies in an arena.
  [[nodiscard]] bool tracks(address_range range) const {
    for (const arena& one : arenas_) {
      if (one.range.contains(range.begin)) range.begin = one.range.end;
    }
    return range.empty();
  }
  [[nodiscard]] std::size_t tracked_bytes() const {
    std::size_t sum = 0;
    for (const arena& one : arenas_) sum += one.range.bytes();
    return sum;
  }
  [[nodiscard]] tracker_counters counters() const {
    tracker_counters now = counters_;
    now.pages_armed = mechanism_.counters().pages_protected;
    now.system_calls = mechanism_.counters().system_calls;
    return now;
  }

 private:
  // Ends on a page boundary, whatever the page size.
  static constexpr address_range everywhere{std::uintptr_t{0}, ~std::uintptr_t{0} << 16};

  struct arena {
    arena() = default;
    explicit arena(kernel::system_calls calls)
        : reported(calls), retained(calls), always(calls), blocks(calls), history(calls) {}

    address_range range;
    address_range attached;  // with the reserve
    page_bitmap reported;    // beside what the mechanism says: in every set until the next arming
    page_bitmap retained;    // joins `reported` at the next set
    page_bitmap always;
    cold_blocks blocks;
    bool lost = false;  // must be attached again before the mechanism's word counts
    error loss;         // why all of it counts as written, until the next arming
    [[no_unique_address]] typename Policy::history history;
    // What the history says holds up to here; beyond is what was added, or all of it, `since_loss`, when
    // nobody knows whether a page is protected.
    std::uintptr_t known_end = 0;
    bool since_loss = false;

    error cover(address_range to) {
      for (page_bitmap* bits : {&reported, &retained, &always}) {
        if (const error why = bits->cover(to, kernel::page_size())) return why;
      }
      if (known_end > to.end) known_end = to.end;
      if (const error why = blocks.cover(to)) return why;
      return history.cover(to);
    }
    void clear_bits() {
      for (page_bitmap* bits : {&reported, &retained, &always}) bits->clear();
    }
    // The part was read and protected, or only protected: what was written before is forgotten.
    void settle(address_range part) {
      if (part == range) {
        reported.clear();
      } else {
        reported.reset(part);
      }
      if (loss && !lost && reported.next_run(range.begin).empty()) loss = {};
    }
  };

  // Not std::chrono, whose clock would be the only need for a C++ runtime library.
  class stopwatch {
   public:
    explicit stopwatch(std::uint64_t& sum) : sum_(sum) {}
    ~stopwatch() { sum_ += now() - start_; }
    stopwatch(const stopwatch&) = delete;
    stopwatch& operator=(const stopwatch&) = delete;
    [[nodiscard]] std::uint64_t passed() const { return now() - start_; }

   private:
    static std::uint64_t now() {
      timespec time{};
      ::clock_gettime(CLOCK_MONOTONIC, &time);
      return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000 +
             static_cast<std::uint64_t>(time.tv_nsec);
    }
    std::uint64_t& sum_;
    std::uint64_t start_ = now();
  };

  basic_write_tracker(Mechanism mechanism, kernel::system_calls calls, Policy policy)
      : calls_(calls),
        mechanism_(std::move(mechanism)),
        policy_(std::move(policy)),
        sentinel_(calls),
        arenas_(calls),
        scanned_(calls),
        late_(calls),
        united_(calls) {}

  static error no_such(const char* operation, const void* base) {
    return {operation, ENOENT, address_range(base, 1), "no arena begins there"};
  }
  arena* find(const void* base) {
    for (arena& one : arenas_) {
      if (one.range.begin == reinterpret_cast<std::uintptr_t>(base)) return &one;
    }
    return nullptr;
  }
  bool overlaps_another(address_range range, const arena* but) {
    for (arena& one : arenas_) {
      if (&one != but && one.attached.overlaps(range)) return true;
    }
    return false;
  }
  [[nodiscard]] std::size_t attached_bytes() const {
    std::size_t sum = 0;
    for (const arena& one : arenas_) sum += one.attached.bytes();
    return sum;
  }

  // Every other page is the most runs that there can be.
  error make_room(std::size_t arenas, std::size_t bytes) {
    const std::size_t runs = bytes / kernel::page_size() / 2 + arenas + 1;
    if (const error why = arenas_.reserve(arenas)) return why;
    if (const error why = scanned_.reserve(runs)) return why;
    if constexpr (Policy::selects) {
      if (const error why = late_.reserve(runs)) return why;
    }
    return united_.reserve(runs);
  }

  // ---- failure and recovery ----

  [[nodiscard]] bool in_child() const { return sentinel_.in_child(); }

  // In a forked child: nothing is registered here, and the descriptors name the parent's memory.
  void start_over() {
    sentinel_.settle();
    (void)reopen({"fork", ECHILD, {}, "a forked child starts with everything written"});
  }

  void lose(arena& one, const error& why) {
    one.lost = true;
    one.loss = why;
    one.known_end = one.range.begin;
    one.since_loss = true;
    one.reported.set(one.range);
    problem_ = why;
    if (descriptors_gone(why)) must_reopen_ = why;
  }
  void lose_everything(const error& why) {
    for (arena& one : arenas_) lose(one, why);
  }
  static bool descriptors_gone(const error& why) { return why.code == EBADF || why.code == ENOTTY; }

  // New descriptors cost every arena its registration.
  error reopen(error cause) {
    lose_everything(cause);
    const error why = mechanism_.reopen();
    must_reopen_ = why ? cause : error{};
    return why;
  }

  // With new descriptors if the old ones are gone.
  error attach(address_range range) {
    if (!must_reopen_) {
      const error why = mechanism_.attach(range);
      if (!descriptors_gone(why)) return why;
      must_reopen_ = why;
    }
    if (const error why = reopen(must_reopen_)) return why;
    return mechanism_.attach(range);
  }

  // Makes `all` the arena and its reserve, with room for it in the tables. After an error it is as it was,
  // and all of it is written.
  error attach_more(arena& one, address_range all) {
    const address_range added{one.attached.end, all.end};
    if (overlaps_another(all, &one)) {
      return {"resize_arena", EEXIST, added, "another arena is in the way"};
    }
    if (const error why = check_memory(added)) return why;
    if (const error why = make_room(arenas_.size(), attached_bytes() + added.bytes())) return why;
    error why = one.cover(all);
    if (!why && (why = attach(all))) lose(one, why);
    (void)one.cover(one.range);  // smaller: cannot fail, nor does what grows up to here later
    if (!why) one.attached = all;
    return why;
  }

  // Tries to attach a lost arena again; all of it counts as written until the next arming.
  bool revive(arena& one) {
    one.reported.set(one.range);
    if (const error why = attach(one.attached)) {
      problem_ = why;
      return false;
    }
    one.lost = false;
    return true;
  }

  // What the mechanism may not be able to refuse by itself.
  error check_memory(address_range range) const {
    return mechanism_.traits().adopted ? error{} : kernel::check_tracked_memory(calls_, range);
  }

  // ---- reading ----

  dirty_set read_all(bool protect, address_range within) {
    const stopwatch clock(counters_.nanoseconds);
    problem_ = {};
    if (in_child()) start_over();
    if constexpr (Policy::selects) {
      if (protect) policy_.next_cycle();
    }
    scanned_.clear();
    const bool at_once = mechanism_.traits().clears_whole_process;
    within = protect && at_once ? everywhere : within.widened_to(kernel::page_size());
    for (arena& one : arenas_) read(one, within.intersection(one.range), protect && !at_once);
    if (protect && at_once) protect_whole_process();
    for (arena& one : arenas_) {
      if (one.lost) one.reported.set(one.range);
      one.reported.merge(one.retained);
      // What is retained after a peek() is for the next cycle, though another peek() shows it already.
      if (!peeked_) one.retained.clear();
    }
    note_cold(within);
    const dirty_set answer(with_reported(within));
    ++counters_.collections;
    for (arena& one : arenas_) {
      const address_range part = within.intersection(one.range);
      counters_.pages_scanned += part.bytes() / kernel::page_size();
      if (!protect) continue;
      one.settle(part);
      if (peeked_) one.retained.reset(part);
    }
    peeked_ = !protect || (peeked_ && within != everywhere);
    scanned_all_ = !protect && within == everywhere;
    counters_.pages_dirty += answer.bytes() / kernel::page_size();
    return answer;
  }

  void read(arena& one, address_range part, bool protect) {
    if (part.empty()) return;
    if (one.loss) problem_ = one.loss;
    if (one.lost && !revive(one)) return;
    const error why = protect ? read_and_rearm(one, part) : mechanism_.read(part, scanned_);
    if (!why) return;
    // Pages may have been protected that were not reported: all of it is written, and it begins anew at once
    // so that the next answer is exact again.
    lose(one, why);
    if (!revive(one)) return;  // the problem is what stands in the way
    if (protect) {
      if (const error again = mechanism_.protect(one.range)) lose(one, again);
    }
    problem_ = why;
  }

  // What was not written becomes colder, when all of it was looked at.
  void note_cold(address_range within) {
    if constexpr (collapsing_mechanism<Mechanism>) {
      for (arena& one : arenas_) {
        if (within.contains(one.range)) one.blocks.next_set();
        one.blocks.note_written(dirty_set(scanned_.runs()).between(one.range.begin, one.range.end));
        if (one.lost) one.blocks.note_written(dirty_set({&one.range, 1}));
      }
    }
  }

  // Whether the block lies on a huge page now and did not before.
  bool collapse(arena& one, address_range block) {
    const result<block_pages> now = mechanism_.pages_of(block);
    if (!now) {
      lose(one, now.error());
      return false;
    }
    if (*now == block_pages::huge) one.blocks.note_huge(block);
    if (*now == block_pages::other) one.blocks.note_refused(block);
    if (*now != block_pages::small || !one.blocks.note_small(block)) return false;
    // Before the first page is unprotected: from then on a write to it would be forgotten.
    one.reported.set(block);
    const result<bool> moved = mechanism_.collapse(block);
    if (!moved) {
      lose(one, moved.error());
      return false;
    }
    if (*moved) {
      one.blocks.note_huge(block);
    } else {
      one.blocks.note_refused(block);
    }
    return *moved;
  }

  error read_and_rearm(arena& one, address_range part) {
    if constexpr (!Policy::selects) {
      return mechanism_.read_and_protect(part, scanned_);
    } else {
      if (const error why = mechanism_.read(part, scanned_)) return why;
      return rearm(one, part, [&](address_range chosen) {
        late_.clear();
        const error why = mechanism_.read_and_protect(chosen, late_);
        // Pages that were written between the two readings are among them.
        for (const address_range run : late_.runs()) one.reported.set(run);
        return why;
      });
    }
  }

  // Protects the part of the arena again, as far as the policy wants it, by arm(range). Needs the part's runs
  // in scanned_.
  template <class Arm>
  error rearm(arena& one, address_range part, Arm arm) {
    if constexpr (!Policy::selects) {
      return arm(part);
    } else {
      const address_range known = part.intersection({one.range.begin, one.known_end});
      if (const error why = policy_.select(one.history, known, scanned_.runs(), arm)) return why;
      const address_range unknown = part.intersection({one.known_end, one.range.end});
      if (!unknown.empty()) {
        if (const error why = policy_.begin(one.history, unknown, one.since_loss, arm)) return why;
      }
      if (part.begin <= one.known_end && part.end > one.known_end) one.known_end = part.end;
      if (one.known_end == one.range.end) one.since_loss = false;
      return {};
    }
  }

  // The last peek() will do, if there was one since the last arming and no expect_writes() since. What the
  // collector wrote since then it does not show: that is protected where a chosen range passes over it, and
  // else is in the next set.
  void know_unprotected() {
    if constexpr (Policy::selects) {
      policy_.next_cycle();
      if (scanned_all_) return;
      scanned_.clear();
      for (arena& one : arenas_) {
        if (one.lost) continue;
        if (const error why = mechanism_.read(one.range, scanned_)) lose(one, why);
      }
    }
  }

  void protect_whole_process() {
    if (arenas_.empty()) return;
    for (arena& one : arenas_) {
      if (one.lost && !revive(one)) return;
    }
    if (const error why = mechanism_.protect(arenas_[0].range)) lose_everything(why);
  }

  // The union of what was scanned with the pages in `within` that are dirty for other reasons.
  std::span<const address_range> with_reported(address_range within) {
    bool any = false;
    for (const arena& one : arenas_) any |= !one.reported.empty() || !one.always.empty();
    if (!any) return scanned_.runs();
    united_.clear();
    const std::span<const address_range> scanned = scanned_.runs();
    std::size_t next = 0;
    for (arena& one : arenas_) {
      const address_range part = within.intersection(one.range);
      for (std::uintptr_t at = part.begin; at < part.end;) {
        const address_range reported =
            earlier(one.reported.next_run(at), one.always.next_run(at)).intersection(part);
        if (reported.empty()) break;
        while (next < scanned.size() && scanned[next].begin <= reported.begin) united_.unite(scanned[next++]);
        united_.unite(reported);
        at = reported.end;
      }
    }
    while (next < scanned.size()) united_.unite(scanned[next++]);
    return united_.runs();
  }
  static address_range earlier(address_range a, address_range b) {
    if (a.empty()) return b;
    return b.empty() || a.begin <= b.begin ? a : b;
  }

  kernel::system_calls calls_;
  Mechanism mechanism_;
  [[no_unique_address]] Policy policy_;
  kernel::fork_sentinel sentinel_;
  kernel::mapped_array<arena> arenas_;  // ordered by address
  run_list scanned_;
  run_list late_;  // only a policy that selects needs it
  run_list united_;
  tracker_counters counters_;
  error problem_;
  std::uintptr_t collapse_from_ = 0;  // where the last collapse_cold() came to
  error must_reopen_;                 // why the mechanism needs new descriptors; no error: it does not
  bool peeked_ = false;               // since the last arm(), or collect() of everything
  bool scanned_all_ = false;  // scanned_ shows all that is unprotected, but for what peek() cannot know
};

struct tracker_options {
  // Which mechanism to use; none: the best that works here, in the order uffd_async, soft_dirty, mprotect.
  std::optional<mechanism_kind> mechanism = std::nullopt;
  // Use uffd_async on descriptors opened earlier, without any probing that a sandbox might kill for.
  std::optional<adopted_descriptors> adopted = std::nullopt;
  kernel::system_calls calls = {};
};

// What was chosen at open, and why what would have been better was not.
struct mechanism_choice {
  mechanism_kind chosen = mechanism_kind::uffd_async;
  error refused[mechanism_count];  // by mechanism_kind; no error: it works, or was not tried
};

// A tracker on a mechanism that is chosen when it is opened. A policy that learns costs is fitted to it.
template <arming_policy Policy>
class chosen_write_tracker : public basic_write_tracker<any_mechanism, Policy> {
 public:
  // Errors: what prevented the mechanism that was asked for, or the last one tried.
  static result<chosen_write_tracker> open(const tracker_options& options = {}) {
    mechanism_choice choice;
    if (options.adopted) {
      result<uffd_async> adopted = uffd_async::adopt(options.calls, *options.adopted);
      if (!adopted) return adopted.error();
      return over_chosen(std::move(*adopted), choice, options.calls);
    }
    error last;
    for (int i = 0; i < mechanism_count; ++i) {
      const auto kind = static_cast<mechanism_kind>(i);
      if (options.mechanism && *options.mechanism != kind) continue;
      result<any_mechanism> opened = any_mechanism::open(kind, options.calls);
      if (opened) {
        choice.chosen = kind;
        return over_chosen(std::move(*opened), choice, options.calls);
      }
      last = choice.refused[i] = opened.error();
    }
    return last;
  }

  [[nodiscard]] const mechanism_choice& choice() const { return choice_; }

 private:
  using base = basic_write_tracker<any_mechanism, Policy>;
  chosen_write_tracker(base tracker, const mechanism_choice& choice)
      : base(std::move(tracker)), choice_(choice) {}

  static result<chosen_write_tracker> over_chosen(any_mechanism chosen, const mechanism_choice& choice,
                                                  kernel::system_calls calls) {
    Policy policy = Policy::fit(chosen, calls);
    result<base> made = base::over(std::move(chosen), calls, std::move(policy));
    if (!made) return made.error();
    return chosen_write_tracker(std::move(*made), choice);
  }

  mechanism_choice choice_;
};

// Protects everything again, whatever it costs. For pages that are written in most cycles see cost_policy.
using write_tracker = chosen_write_tracker<protect_everything>;

GCBARRIER_NAMESPACE_END

#endif
