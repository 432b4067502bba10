// The process's SIGSEGV handler and what it looks after: memory that mprotect_segv has made read-only.
//
// Global state, because a signal handler is one for the whole process. Two copies of the library in one
// process, each inside a shared object of its own, are to each other what any other handler is.
#ifndef GCBARRIER_MECHANISM_FAULT_REGISTRY_HPP
#define GCBARRIER_MECHANISM_FAULT_REGISTRY_HPP

#include <pthread.h>
#include <sched.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <new>
#include <optional>
#include <utility>

#include "../address_range.hpp"
#include "../error.hpp"
#include "../kernel/system_calls.hpp"
#include "../page_bitmap.hpp"
#include "../version.hpp"

GCBARRIER_NAMESPACE_BEGIN

// Memory whose protection this library owns. A page's bit in `written` is set whenever the page may be
// writable; both change together, under the registry's lock.
struct fault_watch {
  address_range range;
  page_bitmap written;
  kernel::system_calls calls;

  // Makes all of the range writable and takes it as written: the way out of every failure, since it merges
  // mappings and so cannot run into the limit on their number.
  error open_all() {
    written.set(range);  // even after an error, which may come half way
    const long answer = calls.protect(range.begin, range.bytes(), PROT_READ | PROT_WRITE);
    if (answer < 0) return {"mprotect", static_cast<int>(-answer), range, "the arena may have been unmapped"};
    return {};
  }

  // The same, page by page if it must be: for memory that nobody will look after from now on.
  error give_up(address_range part) const {
    const long answer = calls.protect(part.begin, part.bytes(), PROT_READ | PROT_WRITE);
    if (answer >= 0) return {};
    const std::size_t half = part.bytes() / 2 & ~(kernel::page_size() - 1);
    if (half == 0) return {"mprotect", static_cast<int>(-answer), part, "the arena may have been unmapped"};
    const error first = give_up({part.begin, part.begin + half});
    const error second = give_up({part.begin + half, part.end});
    return first ? first : second;
  }

  // Lets the faulting write through. ENOMEM is the limit on mappings (vm.max_map_count): each page that
  // differs from its neighbours is a mapping of its own.
  bool let_through(std::uintptr_t address) {
    const address_range page = address_range{address, address + 1}.widened_to(kernel::page_size());
    written.set(page);
    return calls.protect(page.begin, page.bytes(), PROT_READ | PROT_WRITE) >= 0 || !open_all();
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

  // Once before everything else. Errors: those of mmap and madvise.
  static error prepare(kernel::system_calls calls) {
    if (state().locked.load(std::memory_order_acquire) != nullptr) return {};
    const long page = calls.map(kernel::page_size());
    if (kernel::failed(page)) return {"mmap", static_cast<int>(-page), {}, ""};
    auto* const fresh = reinterpret_cast<std::atomic<bool>*>(page);
    const long answer = calls.call(SYS_madvise, fresh, kernel::page_size(), MADV_WIPEONFORK);
    if (answer >= 0) {
      std::atomic<bool>* none = nullptr;
      if (state().locked.compare_exchange_strong(none, ::new (fresh) std::atomic<bool>(false))) return {};
    }
    calls.unmap(fresh, kernel::page_size());  // or another thread was faster
    if (answer >= 0) return {};
    return {"madvise(MADV_WIPEONFORK)", static_cast<int>(-answer), {}, "this needs Linux 4.14"};
  }

  // Under exclusion. Whether somebody else's watch overlaps the range.
  static bool watched(address_range range, const fault_watch* but) {
    for (const fault_watch* watch : state().watches) {
      if (watch != nullptr && watch != but && watch->range.overlaps(range)) return true;
    }
    return false;
  }

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

  // Under exclusion: makes sure that the handler is still ours, on top of whoever has replaced it.
  static error claim_signal() {
    struct sigaction current {};
    if (::sigaction(SIGSEGV, nullptr, &current) == 0 && is_ours(current)) return {};
    struct sigaction ours {};
    ours.sa_sigaction = &on_fault;
    ours.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigfillset(&ours.sa_mask);
    if (::sigaction(SIGSEGV, &ours, &current) != 0) return {"sigaction(SIGSEGV)", errno, {}, ""};
    if (std::exchange(state().installed, true)) {
      state().above = current;
    } else {
      state().below = current;
    }
    return {};
  }

 private:
  struct shared {
    // In a page that a forked child finds zeroed, because the thread that held the lock may not be there.
    // What that was changing is then half done, and does not matter: a tracker takes everything as written in
    // a child. Not by pthread_atfork: a handler of somebody else's that runs earlier may write to the heap,
    // _Fork calls none, and registering one takes memory from malloc.
    std::atomic<std::atomic<bool>*> locked{nullptr};
    fault_watch* watches[capacity]{};
    std::size_t count = 0;
    bool installed = false;  // the handler, even if somebody has replaced it
    // Who had the signal before us, and who has replaced us since; of several, the last. The latter takes us
    // for its predecessor.
    struct sigaction below {};
    std::optional<struct sigaction> above;
  };
  static shared& state() {
    static constinit shared one;
    return one;
  }

  static void lock() {
    while (word().exchange(true, std::memory_order_acquire)) sched_yield();
  }
  static void unlock() { word().store(false, std::memory_order_release); }
  static std::atomic<bool>& word() { return *state().locked.load(std::memory_order_acquire); }

  static bool is_ours(const struct sigaction& action) {
    return (action.sa_flags & SA_SIGINFO) != 0 && action.sa_sigaction == &on_fault;
  }
  static bool is_default(const struct sigaction& action) {
    return (action.sa_flags & SA_SIGINFO) == 0 && action.sa_handler == SIG_DFL;
  }
  static bool same_handler(const struct sigaction& one, const struct sigaction& other) {
    if (((one.sa_flags ^ other.sa_flags) & SA_SIGINFO) != 0) return false;
    return (one.sa_flags & SA_SIGINFO) != 0 ? one.sa_sigaction == other.sa_sigaction
                                            : one.sa_handler == other.sa_handler;
  }

  static void give_signal_back() {
    struct sigaction current {};
    if (::sigaction(SIGSEGV, nullptr, &current) != 0 || !is_ours(current)) return;
    if (const std::optional<struct sigaction> above = std::exchange(state().above, std::nullopt)) {
      ::sigaction(SIGSEGV, &*above, nullptr);
    } else {
      ::sigaction(SIGSEGV, &state().below, nullptr);
      state().installed = false;
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

  // Not ours: what would have happened without us. Who has replaced our handler has the signal back until it
  // returns, because it may call us, or put us back, as its predecessor; that must lead on, not back to it.
  static void chain(int number, siginfo_t* info, void* context) {
    std::optional<struct sigaction> above;
    struct sigaction below {};
    {
      const exclusion alone;
      above = std::exchange(state().above, std::nullopt);
      below = state().below;
      if (above) ::sigaction(SIGSEGV, &*above, nullptr);
    }
    deliver(above ? *above : below, number, info, context);
    if (!above) return;
    const exclusion alone;
    struct sigaction current {};
    if (state().count == 0 || ::sigaction(SIGSEGV, nullptr, &current) != 0) return;
    if (same_handler(current, *above) && !is_default(current)) (void)claim_signal();
  }

  static void deliver(const struct sigaction& action, int number, siginfo_t* info, void* context) {
    if ((action.sa_flags & SA_SIGINFO) == 0 &&
        (action.sa_handler == SIG_DFL || action.sa_handler == SIG_IGN)) {
      const bool sent = info->si_code <= 0;
      if (sent && action.sa_handler == SIG_IGN) return;
      // On return the instruction faults again, now without a handler, and dies with its own registers in the
      // core. A signal that was sent is not repeated by itself.
      ::signal(SIGSEGV, SIG_DFL);
      if (sent) ::raise(SIGSEGV);
      return;
    }
    sigset_t mask = static_cast<ucontext_t*>(context)->uc_sigmask;
    for (int other = 1; other < NSIG; ++other) {
      if (sigismember(&action.sa_mask, other) == 1) sigaddset(&mask, other);
    }
    if ((action.sa_flags & SA_NODEFER) == 0) sigaddset(&mask, SIGSEGV);
    pthread_sigmask(SIG_SETMASK, &mask, nullptr);
    if ((action.sa_flags & SA_SIGINFO) != 0) {
      action.sa_sigaction(number, info, context);
    } else {
      action.sa_handler(number);
    }
  }
};

GCBARRIER_NAMESPACE_END

#endif
