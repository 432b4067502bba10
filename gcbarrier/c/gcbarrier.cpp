// The C interface over write_tracker. Built without a C++ runtime library: C programs link nothing but libc.
#include "../gcbarrier.h"

#include <array>
#include <bit>
#include <cerrno>
#include <cstring>
#include <new>
#include <span>
#include <type_traits>

#include "../gcbarrier.hpp"
#include "tracker.hpp"

namespace {

using gcbarrier::address_range;
using gcbarrier::dirty_set;
using gcbarrier::error;
using gcbarrier::mechanism_kind;

static_assert(GCB_VERSION_MAJOR == GCBARRIER_VERSION_MAJOR && GCB_VERSION_MINOR == GCBARRIER_VERSION_MINOR &&
              GCB_VERSION_PATCH == GCBARRIER_VERSION_PATCH);
#define GCB_TEXT_OF(number) #number
#define GCB_TEXT(number) GCB_TEXT_OF(number)

// What kind is called in C, where 0 stands for the best.
constexpr int number_of(mechanism_kind kind) {
  return static_cast<int>(kind) + 1;
}
constexpr bool is_mechanism(int number) {
  return number > GCB_BEST && number <= gcbarrier::mechanism_count;
}
constexpr mechanism_kind kind_of(int number) {
  return static_cast<mechanism_kind>(number - 1);
}
static_assert(number_of(mechanism_kind::uffd_async) == GCB_UFFD_ASYNC);
static_assert(number_of(mechanism_kind::soft_dirty) == GCB_SOFT_DIRTY);
static_assert(number_of(mechanism_kind::mprotect) == GCB_MPROTECT);
static_assert(number_of(mechanism_kind::mprotect) == gcbarrier::mechanism_count);

using gcbarrier::obstacle;
constexpr bool same(obstacle reason, int number) {
  return static_cast<int>(reason) == number;
}
static_assert(same(obstacle::none, GCB_WORKS) && same(obstacle::kernel_too_old, GCB_KERNEL_TOO_OLD) &&
              same(obstacle::kernel_config, GCB_KERNEL_CONFIG) && same(obstacle::seccomp, GCB_SECCOMP) &&
              same(obstacle::container, GCB_CONTAINER) && same(obstacle::policy, GCB_POLICY) &&
              same(obstacle::not_dumpable, GCB_NOT_DUMPABLE) && same(obstacle::no_proc, GCB_NO_PROC) &&
              same(obstacle::exhausted, GCB_EXHAUSTED) &&
              same(obstacle::signal_blocked, GCB_SIGNAL_BLOCKED) &&
              same(obstacle::self_test, GCB_SELF_TEST) && same(obstacle::other, GCB_OTHER));

// The sizes of version 0.1, which a caller's size of 0 stands for. They never change.
template <class T>
constexpr std::size_t first_size = 0;
template <>
constexpr std::size_t first_size<gcb_error> = 48;
template <>
constexpr std::size_t first_size<gcb_options> = 24;
template <>
constexpr std::size_t first_size<gcb_counters> = 56;

// Fills in the caller's struct as far as the caller knows it.
template <class T>
void give(T* to, T value) {
  const std::size_t known = to->size == 0 ? first_size<T> : to->size;
  value.size = to->size;
  std::memcpy(to, &value, std::min(known, sizeof value));
}

int report(const error& what, gcb_error* why) {
  if (why != nullptr) {
    give(why, gcb_error{sizeof(gcb_error), what.code, what.operation, what.advice,
                        gcb_range{what.where.begin, what.where.end}});
  }
  return what.code;
}

// The caller's options as this version knows them; EINVAL or E2BIG where it does not.
error take(const gcb_options* from, gcbarrier::tracker_options& to, int& policy) {
  gcb_options options = GCB_OPTIONS_INIT;
  if (from != nullptr) {
    const std::size_t size = from->size == 0 ? first_size<gcb_options> : from->size;
    const auto* bytes = reinterpret_cast<const unsigned char*>(from);
    for (std::size_t i = sizeof options; i < size; ++i) {
      if (bytes[i] != 0) {
        return {"gcb_open", E2BIG, {}, "the library is older than the program: upgrade libgcbarrier"};
      }
    }
    std::memcpy(&options, from, std::min(size, sizeof options));
  }
  if (options.adopt != 0) to.adopted = {options.userfaultfd, options.pagemap};
  if (is_mechanism(options.mechanism)) {
    to.mechanism = kind_of(options.mechanism);
  } else if (options.mechanism != GCB_BEST) {
    return {"gcb_open", EINVAL, {}, "unknown mechanism: use an enum gcb_mechanism"};
  }
  policy = options.policy;
  if (policy != GCB_PROTECT_EVERYTHING && policy != GCB_PROTECT_WHAT_PAYS) {
    return {"gcb_open", EINVAL, {}, "unknown policy: use an enum gcb_policy"};
  }
  return {};
}

template <class Tracker>
int open_as(const gcbarrier::tracker_options& options, gcb_tracker** opened, gcb_error* why) {
  gcbarrier::result<Tracker> tracker = Tracker::open(options);
  if (!tracker) return report(tracker.error(), why);
  const long place = options.calls.map(sizeof(gcb_tracker));
  if (gcbarrier::kernel::failed(place)) {
    return report({"mmap", static_cast<int>(-place), {}, "no memory for a tracker"}, why);
  }
  *opened = ::new (reinterpret_cast<void*>(place)) gcb_tracker{std::move(*tracker)};
  return report({}, why);
}

constexpr unsigned bit(bool set, gcb_trait trait) {
  return set ? static_cast<unsigned>(trait) : 0;
}

static_assert(sizeof(dirty_set) <= sizeof(gcb_dirty_set) && std::is_trivially_copyable_v<dirty_set>);

void wrap(const dirty_set& from, gcb_dirty_set* to) {
  *to = {};
  std::memcpy(static_cast<void*>(to), &from, sizeof from);
}
dirty_set unwrap(const gcb_dirty_set* from) {
  std::array<unsigned char, sizeof(dirty_set)> bytes;
  std::memcpy(bytes.data(), from, sizeof bytes);
  return std::bit_cast<dirty_set>(bytes);
}

}  // namespace

extern "C" {

const char* gcb_version(void) {
  return GCB_TEXT(GCB_VERSION_MAJOR) "." GCB_TEXT(GCB_VERSION_MINOR) "." GCB_TEXT(GCB_VERSION_PATCH);
}

size_t gcb_page_size(void) {
  return gcbarrier::kernel::page_size();
}

size_t gcb_describe(const gcb_error* from, char* text, size_t bytes) {
  const error what{from->operation, from->code, {from->where.begin, from->where.end}, from->advice};
  return what.describe(text, bytes);
}

const char* gcb_mechanism_name(int mechanism) {
  if (mechanism == GCB_BEST) return "best";
  return is_mechanism(mechanism) ? name_of(kind_of(mechanism)) : "unknown";
}

int gcb_probe(int mechanism, gcb_error* why) {
  if (!is_mechanism(mechanism)) {
    report({"gcb_probe", EINVAL, {}, "unknown mechanism: use an enum gcb_mechanism"}, why);
    return GCB_OTHER;
  }
  const gcbarrier::kernel::system_calls calls;
  const gcbarrier::mechanism_report found =
      gcbarrier::probing::report_on(kind_of(mechanism), calls, gcbarrier::kernel::machine(calls));
  report(found.why, why);
  return static_cast<int>(found.reason);
}

int gcb_open(const gcb_options* options, gcb_tracker** opened, gcb_error* why) {
  *opened = nullptr;
  gcbarrier::tracker_options chosen;
  int policy = GCB_PROTECT_EVERYTHING;
  if (const error unusable = take(options, chosen, policy)) return report(unusable, why);
  if (policy == GCB_PROTECT_WHAT_PAYS) {
    return open_as<gcbarrier::chosen_write_tracker<gcbarrier::cost_policy>>(chosen, opened, why);
  }
  return open_as<gcbarrier::write_tracker>(chosen, opened, why);
}

void gcb_close(gcb_tracker* tracker) {
  if (tracker == nullptr) return;
  tracker->~gcb_tracker();
  gcbarrier::kernel::system_calls().unmap(tracker, sizeof *tracker);
}

int gcb_chosen(const gcb_tracker* tracker) {
  return number_of(tracker->visit([&](auto& t) { return t.kind(); }));
}

int gcb_refusal(const gcb_tracker* tracker, int mechanism, gcb_error* why) {
  if (!is_mechanism(mechanism)) return report({"gcb_refusal", EINVAL, {}, "unknown mechanism"}, why);
  return report(
      tracker->visit([&](auto& t) { return t.choice().refused[static_cast<int>(kind_of(mechanism))]; }), why);
}

unsigned gcb_traits(const gcb_tracker* tracker) {
  const gcbarrier::mechanism_traits traits = tracker->visit([&](auto& t) { return t.traits(); });
  return bit(traits.sees_system_calls, GCB_SEES_SYSTEM_CALLS) |
         bit(traits.atomic_collect, GCB_ATOMIC_COLLECT) |
         bit(traits.clears_whole_process, GCB_CLEARS_WHOLE_PROCESS);
}

int gcb_add_arena(gcb_tracker* tracker, void* base, size_t bytes, gcb_error* why) {
  return report(tracker->visit([&](auto& t) { return t.add_arena({base, bytes}); }), why);
}
int gcb_resize_arena(gcb_tracker* tracker, void* base, size_t bytes, gcb_error* why) {
  return report(tracker->visit([&](auto& t) { return t.resize_arena(base, bytes); }), why);
}
int gcb_remove_arena(gcb_tracker* tracker, void* base, gcb_error* why) {
  return report(tracker->visit([&](auto& t) { return t.remove_arena(base); }), why);
}
size_t gcb_arena_count(const gcb_tracker* tracker) {
  return tracker->visit([&](auto& t) { return t.arena_count(); });
}
size_t gcb_tracked_bytes(const gcb_tracker* tracker) {
  return tracker->visit([&](auto& t) { return t.tracked_bytes(); });
}
int gcb_tracks(const gcb_tracker* tracker, const void* base, size_t bytes) {
  return tracker->visit([&](auto& t) { return t.tracks({base, bytes}); }) ? 1 : 0;
}

void gcb_collect(gcb_tracker* tracker, gcb_dirty_set* set) {
  wrap(tracker->visit([&](auto& t) { return t.collect(); }), set);
}
void gcb_peek(gcb_tracker* tracker, gcb_dirty_set* set) {
  wrap(tracker->visit([&](auto& t) { return t.peek(); }), set);
}
void gcb_collect_range(gcb_tracker* tracker, const void* base, size_t bytes, gcb_dirty_set* set) {
  wrap(tracker->visit([&](auto& t) { return t.collect({base, bytes}); }), set);
}
void gcb_peek_range(gcb_tracker* tracker, const void* base, size_t bytes, gcb_dirty_set* set) {
  wrap(tracker->visit([&](auto& t) { return t.peek({base, bytes}); }), set);
}
void gcb_arm(gcb_tracker* tracker) {
  tracker->visit([&](auto& t) { return t.arm(); });
}
size_t gcb_collapse_cold(gcb_tracker* tracker, uint64_t nanoseconds, unsigned clean_sets) {
  return tracker->visit([&](auto& t) { return t.collapse_cold({nanoseconds, clean_sets}); });
}
int gcb_problem(const gcb_tracker* tracker, gcb_error* why) {
  return report(tracker->visit([&](auto& t) { return t.problem(); }), why);
}

void gcb_retain(gcb_tracker* tracker, const void* base, size_t bytes) {
  tracker->visit([&](auto& t) { return t.retain({base, bytes}); });
}
void gcb_found_young(gcb_tracker* tracker, const void* base, size_t bytes) {
  tracker->visit([&](auto& t) {
    if constexpr (requires { t.found_young({base, bytes}); }) t.found_young({base, bytes});
  });
}
void gcb_always_dirty(gcb_tracker* tracker, const void* base, size_t bytes, int enabled) {
  tracker->visit([&](auto& t) { return t.always_dirty({base, bytes}, enabled != 0); });
}
int gcb_expect_writes(gcb_tracker* tracker, const void* base, size_t bytes, gcb_error* why) {
  return report(tracker->visit([&](auto& t) { return t.expect_writes({base, bytes}); }), why);
}

size_t gcb_run_count(const gcb_dirty_set* set) {
  return unwrap(set).run_count();
}
int gcb_run(const gcb_dirty_set* set, size_t index, gcb_range* run) {
  const dirty_set runs = unwrap(set);
  if (index >= runs.run_count()) return 0;
  *run = {runs[index].begin, runs[index].end};
  return 1;
}
size_t gcb_dirty_bytes(const gcb_dirty_set* set) {
  return unwrap(set).bytes();
}
int gcb_contains(const gcb_dirty_set* set, const void* address) {
  return unwrap(set).contains(address) ? 1 : 0;
}
int gcb_touches(const gcb_dirty_set* set, const void* base, size_t bytes) {
  return unwrap(set).touches({base, bytes}) ? 1 : 0;
}
void gcb_share(const gcb_dirty_set* set, size_t index, size_t count, size_t granule, gcb_dirty_set* share) {
  wrap(unwrap(set).share(index, count, granule), share);
}
void gcb_between(const gcb_dirty_set* set, const void* base, size_t bytes, gcb_dirty_set* part) {
  const address_range range(base, bytes);
  wrap(unwrap(set).between(range.begin, range.end), part);
}

void gcb_read_counters(const gcb_tracker* tracker, gcb_counters* counters) {
  const gcbarrier::tracker_counters now = tracker->visit([&](auto& t) { return t.counters(); });
  give(counters, gcb_counters{sizeof(gcb_counters), now.collections, now.pages_scanned, now.pages_dirty,
                              now.pages_armed, now.system_calls, now.nanoseconds});
}

}  // extern "C"
