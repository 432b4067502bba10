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
#include <new>

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

  // Under exclusion: makes sure that the handler is still ours, and chains to whoever has replaced it.
  static error claim_signal() {
    struct sigaction current {};
    if (::sigaction(SIGSEGV, nullptr, &current) == 0 && is_ours(current)) return {};
    struct sigaction ours {};
    ours.sa_sigaction = &on_fault;
    ours.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigfillset(&ours.sa_mask);
    if (::sigaction(SIGSEGV, &ours, &state().previous) != 0) return {"sigaction(SIGSEGV)", errno, {}, ""};
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
    struct sigaction previous {};
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
      const bool sent = info->si_code <= 0;
      if (sent && previous.sa_handler == SIG_IGN) return;
      // On return the instruction faults again, now without a handler, and dies with its own registers in the
      // core. A signal that was sent is not repeated by itself.
      ::signal(SIGSEGV, SIG_DFL);
      if (sent) ::raise(SIGSEGV);
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
