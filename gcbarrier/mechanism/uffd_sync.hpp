// Written pages from a monitor thread: userfaultfd in its older, synchronous write-protect mode. A thread
// that writes to a protected page sleeps until the monitor has read of it, noted the page and un-protected
// it.
//
// A rival to compare with, as collectors have it that were written before Linux 6.7; nothing here chooses it.
// It is the only part of the library that has a thread, and a fault costs two wake-ups. Source:
// Documentation/admin-guide/mm/userfaultfd.rst.
#ifndef GCBARRIER_MECHANISM_UFFD_SYNC_HPP
#define GCBARRIER_MECHANISM_UFFD_SYNC_HPP

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "../address_range.hpp"
#include "../error.hpp"
#include "../kernel/fork_sentinel.hpp"
#include "../kernel/lasting_descriptor.hpp"
#include "../kernel/mapped_array.hpp"
#include "../kernel/signals_blocked.hpp"
#include "../kernel/system_calls.hpp"
#include "../kernel/userfaultfd.hpp"
#include "../page_bitmap.hpp"
#include "../run_list.hpp"
#include "../version.hpp"
#include "mechanism.hpp"

GCBARRIER_NAMESPACE_BEGIN

// Needs Linux 6.4 (WP_UNPOPULATED). The descriptor is for user mode only, which is all that an unprivileged
// process gets: a system call that writes into a protected page fails with EFAULT. Memory that is mapped over
// an arena goes unnoticed; a hole does not.
class uffd_sync {
 public:
  // Errors: those of userfaultfd, eventfd and pthread_create; ENOTSUP where the kernel is too old.
  static result<uffd_sync> open(kernel::system_calls calls) {
    uffd_sync made(calls);
    if (const error why = made.forks_.open()) return why;
    if (const error why = made.shared_.reserve(1))
      return why;  // where the monitor finds it: it must not move
    made.shared_.push_back(shared{calls, {}, kernel::mapped_array<watch>(calls), {}, {}, {}, false});
    if (const error why = made.our().watches.reserve(most_arenas)) return why;
    if (const error why = made.start()) return why;
    return made;
  }

  uffd_sync(uffd_sync&&) noexcept = default;
  uffd_sync& operator=(uffd_sync&& other) noexcept {
    std::swap(calls_, other.calls_);
    std::swap(forks_, other.forks_);
    std::swap(shared_, other.shared_);
    std::swap(counters_, other.counters_);
    return *this;
  }
  uffd_sync(const uffd_sync&) = delete;
  uffd_sync& operator=(const uffd_sync&) = delete;
  ~uffd_sync() {
    if (!shared_.empty()) stop();
  }

  [[nodiscard]] static constexpr mechanism_kind kind() { return mechanism_kind::uffd_sync; }
  [[nodiscard]] mechanism_traits traits() const { return {false, true, false}; }
  [[nodiscard]] mechanism_counters counters() const { return counters_; }

  error attach(address_range range) {
    const held_lock alone(our().lock);
    if (!our().userfaultfd.intact()) return closed("UFFDIO_REGISTER", range);
    watch* one = our().find(range.begin);
    if (one == nullptr && our().watches.size() == our().watches.capacity()) {
      return {"attach", ENOSPC, range, "the uffd_sync mechanism takes 256 arenas"};
    }
    ++counters_.system_calls;
    if (const error why = kernel::register_range(calls_, our().userfaultfd.number(), range)) return why;
    if (one == nullptr) {
      our().watches.push_back(watch{{}, page_bitmap(calls_)});
      one = &our().watches.back();
    }
    if (const error why = one->written.cover(range, kernel::page_size())) return why;
    one->range = range;
    one->written.set(range);
    return {};
  }

  // All of an arena, or its tail.
  error detach(address_range range) {
    const held_lock alone(our().lock);
    watch* const one = our().find(range.begin);
    if (one == nullptr) return {"detach", ENOENT, range, "it is not attached"};
    ++counters_.system_calls;
    const error why = kernel::unregister_range(calls_, our().userfaultfd.number(), range);
    if (range.begin > one->range.begin) {
      one->range.end = range.begin;
      (void)one->written.cover(one->range, kernel::page_size());  // smaller: cannot fail
    } else {
      our().watches.erase(static_cast<std::size_t>(one - our().watches.begin()));
    }
    return why;
  }

  error read(address_range range, run_list& out) {
    const held_lock alone(our().lock);
    return each_written(range, [&out](watch&, address_range run) {
      out.append(run);
      return error{};
    });
  }
  // A write that races with this hits a page that is in the set, or sleeps until the monitor gets the lock.
  error read_and_protect(address_range range, run_list& out) {
    const held_lock alone(our().lock);
    return close_written(range, &out);
  }
  error protect(address_range range) {
    const held_lock alone(our().lock);
    return close_written(range, nullptr);
  }
  error unprotect(address_range range) {
    const held_lock alone(our().lock);
    watch* const one = our().find(range.begin);
    if (one == nullptr) return {"unprotect", ENOENT, range, "it is not attached"};
    one->written.set(range);
    ++counters_.system_calls;
    return kernel::write_protect(calls_, our().userfaultfd.number(), range, false);
  }

  error reopen() {
    stop();
    our().watches.truncate(0);
    return start();
  }

 private:
  // A page's bit is set whenever it may be writable; both change together, under the lock.
  struct watch {
    address_range range;
    page_bitmap written;
  };

  // What the monitor works on.
  struct shared {
    kernel::system_calls calls;
    pthread_mutex_t lock;
    kernel::mapped_array<watch> watches;
    kernel::lasting_descriptor userfaultfd;
    kernel::descriptor ending;  // an eventfd
    pthread_t monitor;
    bool running;  // so is the monitor

    watch* find(std::uintptr_t address) {
      for (watch& one : watches) {
        if (one.range.contains(address)) return &one;
      }
      return nullptr;
    }

    // Lets the write through that a message tells of. Where that fails the memory is not ours any more: the
    // thread is only woken, to try again.
    void resolve(const kernel::uapi::uffd_msg& message) {
      if (message.event != kernel::uapi::event_pagefault) return;
      const std::uintptr_t at = message.address;
      const address_range page = address_range{at, at + 1}.widened_to(kernel::page_size());
      if (watch* const one = find(at)) one->written.set(page);
      if (!kernel::write_protect(calls, userfaultfd.number(), page, false)) return;
      kernel::uapi::uffdio_range range{page.begin, page.bytes()};
      (void)calls.ioctl(userfaultfd.number(), kernel::uapi::ioctl_wake, &range);
    }
  };

  // Without signals: a handler that wrote to the heap while its thread holds the lock would wait for ever.
  class held_lock {
   public:
    explicit held_lock(pthread_mutex_t& lock) : lock_(lock) { pthread_mutex_lock(&lock_); }
    ~held_lock() { pthread_mutex_unlock(&lock_); }
    held_lock(const held_lock&) = delete;
    held_lock& operator=(const held_lock&) = delete;

   private:
    kernel::signals_blocked first_;
    pthread_mutex_t& lock_;
  };

  static constexpr std::size_t most_arenas = 256;

  explicit uffd_sync(kernel::system_calls calls) : calls_(calls), forks_(calls), shared_(calls) {}

  shared& our() { return shared_[0]; }

  error start() {
    result<kernel::descriptor> opened = kernel::open_userfaultfd(calls_);
    if (!opened) return opened.error();
    constexpr std::uint64_t needed = kernel::uapi::feature_pagefault_flag_wp |
                                     kernel::uapi::feature_wp_unpopulated |
                                     kernel::uapi::feature_wp_hugetlbfs_shmem;
    if (const error why = kernel::negotiate(calls_, opened->number(), needed,
                                            "synchronous write-protect of empty pages needs Linux 6.4")) {
      return why;
    }
    const long ending = calls_.call(SYS_eventfd2, 0, EFD_CLOEXEC);
    if (ending < 0) return {"eventfd", static_cast<int>(-ending), {}, ""};
    our().userfaultfd = kernel::lasting_descriptor(calls_, opened->release());
    our().ending = kernel::descriptor(calls_, static_cast<int>(ending));
    pthread_mutex_init(&our().lock, nullptr);
    const kernel::signals_blocked inherited;  // the monitor handles none
    const int refused = pthread_create(&our().monitor, nullptr, &watch_faults, &our());
    our().running = refused == 0;
    forks_.settle();
    return refused == 0 ? error{} : error{"pthread_create", refused, {}, "the limit on threads (ulimit -u)"};
  }

  // Nothing is protected afterwards, and nobody sleeps. A child has neither the thread nor the registration.
  void stop() {
    if (our().running && !forks_.in_child()) {
      for (watch& one : our().watches) {
        (void)kernel::unregister_range(calls_, our().userfaultfd.number(), one.range);
      }
      const std::uint64_t now = 1;
      (void)calls_.write(our().ending.number(), &now, sizeof now);
      pthread_join(our().monitor, nullptr);
    }
    our().running = false;
    our().userfaultfd = {};
    our().ending = {};
  }

  static void* watch_faults(void* argument) {
    auto& our = *static_cast<shared*>(argument);
    for (;;) {
      pollfd ready[2] = {{our.userfaultfd.number(), POLLIN, 0}, {our.ending.number(), POLLIN, 0}};
      const long count = our.calls.call(SYS_ppoll, ready, 2, nullptr, nullptr, 0);
      if (ready[1].revents != 0 || count < 0) return nullptr;
      if ((ready[0].revents & POLLIN) == 0)
        return nullptr;  // somebody has closed it, which frees all sleepers
      kernel::uapi::uffd_msg messages[16];
      const long bytes = our.calls.read(our.userfaultfd.number(), messages, sizeof messages);
      const held_lock alone(our.lock);
      for (long i = 0; i < bytes / static_cast<long>(sizeof messages[0]); ++i) our.resolve(messages[i]);
    }
  }

  static error closed(const char* operation, address_range range) {
    return {operation, EBADF, range, "somebody has closed the userfaultfd"};
  }

  template <class F>
  error each_written(address_range range, F act) {
    watch* const one = our().find(range.begin);
    if (one == nullptr) return {"read", ENOENT, range, "it is not attached"};
    if (!our().userfaultfd.intact()) return closed("read", range);
    // A hole has no fault to tell of; msync with nothing to do fails on it.
    ++counters_.system_calls;
    const long mapped = calls_.call(SYS_msync, range.begin, range.bytes(), MS_ASYNC);
    if (mapped < 0)
      return {"msync", static_cast<int>(-mapped), range, "part of the arena was unmapped or moved"};
    for (std::uintptr_t at = range.begin; at < range.end;) {
      const address_range run = one->written.next_run(at).intersection(range);
      if (run.empty()) break;
      if (const error why = act(*one, run)) return why;
      at = run.end;
    }
    return {};
  }

  error close_written(address_range range, run_list* out) {
    return each_written(range, [this, out](watch& one, address_range run) -> error {
      ++counters_.system_calls;
      if (const error why = kernel::write_protect(calls_, our().userfaultfd.number(), run, true)) return why;
      one.written.reset(run);
      counters_.pages_protected += run.bytes() / kernel::page_size();
      if (out != nullptr) out->append(run);
      return {};
    });
  }

  kernel::system_calls calls_;
  kernel::fork_sentinel forks_;
  kernel::mapped_array<shared> shared_;
  mechanism_counters counters_;
};
static_assert(mechanism<uffd_sync>);

GCBARRIER_NAMESPACE_END

#endif
