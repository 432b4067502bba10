// No signal handler runs on this thread while one of these lives.
#ifndef GCBARRIER_KERNEL_SIGNALS_BLOCKED_HPP
#define GCBARRIER_KERNEL_SIGNALS_BLOCKED_HPP

#include <pthread.h>

#include <csignal>

#include "../version.hpp"

GCBARRIER_NAMESPACE_BEGIN

namespace kernel {

class signals_blocked {
 public:
  signals_blocked() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~signals_blocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  signals_blocked(const signals_blocked&) = delete;
  signals_blocked& operator=(const signals_blocked&) = delete;

 private:
  sigset_t before_;
};

}  // namespace kernel

GCBARRIER_NAMESPACE_END

#endif
