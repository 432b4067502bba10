// The process's SIGSEGV handler and what it looks after: memory that mprotect_segv has made read-only.
//
// The only global state of the library; a signal handler is one for the whole process.
#ifndef GCBARRIER_MECHANISM_FAULT_REGISTRY_HPP
#define GCBARRIER_MECHANISM_FAULT_REGISTRY_HPP

#include <pthread.h>
#include <sched.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdint>

#include "../address_range.hpp"
#include "../error.hpp"
#include "../kernel/system_calls.hpp"
#include "../page_bitmap.hpp"
#include "../version.hpp"

GCBARRIER_NAMESPACE_BEGIN

// Memory whose protection this library owns. A page's bit in `written` is set exactly while the page is
// writable; both change together, under the registry's lock.
struct fault_watch {
  address_range range;
  page_bitmap written;
  kernel::system_calls calls;

  // Makes all of the range writable and takes it as written: the way out of every failure, since it merges
  // mappings and so cannot run into the limit on their number.
  error open_all() {
    const long answer = calls.protect(range.begin, range.bytes(), PROT_READ | PROT_WRITE);
    if (answer < 0) return {"mprotect", static_cast<int>(-answer), range, "the arena may have been unmapped"};
    written.set(range);
    return {};
  }

  // Lets the faulting write through. ENOMEM is the limit on mappings (vm.max_map_count): each page that
  // differs from its neighbours is a mapping of its own.
  bool let_through(std::uintptr_t address) {
    const address_range page = address_range{address, address + 1}.widened_to(kernel::page_size());
    if (calls.protect(page.begin, page.bytes(), PROT_READ | PROT_WRITE) < 0) return !open_all();
    written.set(page);
    return true;
  }
};

class fault_registry {
 public:
  static constexpr std::size_t capacity = 256;

  // Excludes the handler on every thread, and signals on this one: a signal handler that wrote to the heap
  // while this thread holds the lock would wait for it for ever.
  class exclusion {
   public:
    exclusion() {
      sigset_t all;
      sigfillset(&all);
      pthread_sigmask(SIG_SETMASK, &all, &before_);
      lock();
    }
    ~exclusion() {
      unlock();
      pthread_sigmask(SIG_SETMASK, &before_, nullptr);
    }
    exclusion(const exclusion&) = delete;
    exclusion& operator=(const exclusion&) = delete;

   private:
    sigset_t before_;
  };

  // Under exclusion. The watch stays the caller's, and where it is, until it is removed.
  static error add(fault_watch* watch) {
    for (fault_watch*& slot : state().watches) {
      if (slot != nullptr) continue;
      if (const error why = claim_signal()) return why;
      slot = watch;
      ++state().count;
      return {};
    }
    return {"watch for SIGSEGV", ENOSPC, watch->range,
            "the mprotect mechanism takes 256 arenas in one process"};
  }
  // Under exclusion.
  static void remove(fault_watch* watch) {
    for (fault_watch*& slot : state().watches) {
      if (slot != watch) continue;
      slot = nullptr;
      if (--state().count == 0) give_signal_back();
    }
  }

  // Under exclusion: makes sure that the handler is still ours, and chains to whoever has replaced it.
  static error claim_signal() {
    struct sigaction current {};
    if (::sigaction(SIGSEGV, nullptr, &current) == 0 && is_ours(current)) return {};
    struct sigaction ours {};
    ours.sa_sigaction = &on_fault;
    ours.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigfillset(&ours.sa_mask);
    if (::sigaction(SIGSEGV, &ours, &state().previous) != 0) return {"sigaction(SIGSEGV)", errno, {}, ""};
    if (!state().fork_handled) {
      pthread_atfork(nullptr, nullptr, &unlock);
      state().fork_handled = true;
    }
    return {};
  }

 private:
  struct shared {
    std::atomic<bool> locked{false};
    fault_watch* watches[capacity]{};
    std::size_t count = 0;
    struct sigaction previous {};
    bool fork_handled = false;
  };
  static shared& state() {
    static constinit shared one;
    return one;
  }

  static void lock() {
    while (state().locked.exchange(true, std::memory_order_acquire)) sched_yield();
  }
  // Also runs in a forked child, where the thread that held the lock may be gone. What it was changing is
  // then half done, and does not matter: a tracker takes everything as written in a child.
  static void unlock() { state().locked.store(false, std::memory_order_release); }

  static bool is_ours(const struct sigaction& action) {
    return (action.sa_flags & SA_SIGINFO) != 0 && action.sa_sigaction == &on_fault;
  }
  static void give_signal_back() {
    struct sigaction current {};
    if (::sigaction(SIGSEGV, nullptr, &current) == 0 && is_ours(current)) {
      ::sigaction(SIGSEGV, &state().previous, nullptr);
    }
  }

  static void on_fault(int number, siginfo_t* info, void* context) {
    // SEGV_ACCERR: mapped, but not writable. A signal sent by kill has other codes.
    if (info->si_code == SEGV_ACCERR && resolve(reinterpret_cast<std::uintptr_t>(info->si_addr))) return;
    chain(number, info, context);
  }

  static bool resolve(std::uintptr_t address) {
    lock();
    bool done = false;
    for (fault_watch* watch : state().watches) {
      if (watch != nullptr && watch->range.contains(address)) done = watch->let_through(address);
    }
    unlock();
    return done;
  }

  // Not ours: what would have happened without us.
  static void chain(int number, siginfo_t* info, void* context) {
    const struct sigaction previous = state().previous;
    if ((previous.sa_flags & SA_SIGINFO) == 0 &&
        (previous.sa_handler == SIG_DFL || previous.sa_handler == SIG_IGN)) {
      // On return the instruction faults again, now without a handler, and dies with its own registers in the
      // core. A signal that was sent is not repeated by itself.
      ::signal(SIGSEGV, SIG_DFL);
      if (info->si_code <= 0) ::raise(SIGSEGV);
      return;
    }
    sigset_t mask = static_cast<ucontext_t*>(context)->uc_sigmask;
    for (int other = 1; other < NSIG; ++other) {
      if (sigismember(&previous.sa_mask, other) == 1) sigaddset(&mask, other);
    }
    if ((previous.sa_flags & SA_NODEFER) == 0) sigaddset(&mask, SIGSEGV);
    pthread_sigmask(SIG_SETMASK, &mask, nullptr);
    if ((previous.sa_flags & SA_SIGINFO) != 0) {
      previous.sa_sigaction(number, info, context);
    } else {
      previous.sa_handler(number);
    }
  }
};

GCBARRIER_NAMESPACE_END

#endif
