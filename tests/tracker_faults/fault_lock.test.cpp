// The lock of the SIGSEGV handler, in a child that is forked while another thread holds it.
#include <doctest/doctest.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <optional>
#include <support/faked_calls.hpp>
#include <thread>

#include "armed_tracker.hpp"

using gcbarrier::mechanism_kind;
using support::faked_calls;

namespace {

// A child that waits for the lock would wait for ever, with all signals blocked.
int status_within_20_seconds(pid_t child) {
  int status = -1;
  for (int i = 0; i < 2000; ++i) {
    if (::waitpid(child, &status, WNOHANG) == child) return status;
    ::usleep(10'000);
  }
  ::kill(child, SIGKILL);
  ::waitpid(child, &status, 0);
  return status;
}

}  // namespace

TEST_CASE("fault lock: a child can write although a thread that it does not have was in the handler") {
  std::atomic<bool> wait{false};
  std::atomic<bool> inside{false};
  faked_calls slow([&](long number, faked_calls::argument_list a) -> std::optional<long> {
    if (number == SYS_mprotect && a[2] == (PROT_READ | PROT_WRITE)) {
      inside = true;
      while (wait) sched_yield();
    }
    return std::nullopt;
  });
  armed_tracker one(mechanism_kind::mprotect, slow.calls());
  wait = true;
  inside = false;
  std::thread writer([&one] { one.heap.write(3); });
  while (!inside) sched_yield();

  const pid_t child = ::_Fork();  // which calls no handlers of pthread_atfork
  if (child == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    wait = false;
    one.heap.write(5);
    bool fine = one.tracker.collect().bytes() == one.heap.bytes();
    one.heap.write(6);
    const auto set = one.tracker.collect();
    fine = fine && set.bytes() == support::memory::page_size() && set.contains(one.heap.page(6));
    ::_exit(fine ? 0 : 1);
  }
  CHECK(status_within_20_seconds(child) == 0);

  wait = false;
  writer.join();
  CHECK(one.pages(one.tracker.collect()) == support::page_numbers{3});
}
