// Runs a part of a test in a forked child, bounded in time and always reaped.
#ifndef GCBARRIER_TESTS_SUPPORT_CHILD_HPP
#define GCBARRIER_TESTS_SUPPORT_CHILD_HPP

#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ostream>

// Present only where the build counts coverage: what _exit would throw away.
extern "C" void __gcov_dump() __attribute__((weak));  // NOLINT(bugprone-reserved-identifier)

namespace support {

struct child_outcome {
  enum how : std::uint8_t { exited, killed, timed_out } how = timed_out;
  int value = 0;  // the exit status, or the signal's number

  friend bool operator==(const child_outcome&, const child_outcome&) = default;
  friend std::ostream& operator<<(std::ostream& out, const child_outcome& one) {
    constexpr const char* names[] = {"exited with ", "killed by signal ", "timed out "};
    return out << names[one.how] << one.value;
  }
};
inline constexpr child_outcome exited(int status) {
  return {child_outcome::exited, status};
}
inline constexpr child_outcome killed(int signal) {
  return {child_outcome::killed, signal};
}

// Forks and calls `body`, which returns the child's exit status (0 to 255). doctest's checks mean nothing in
// the child: return a different status for each thing that can go wrong. A child that runs longer than the
// limit is killed.
template <class Body>
child_outcome run_in_child(Body body, std::chrono::seconds limit = std::chrono::seconds(30)) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    const int status = body();
    if (&__gcov_dump != nullptr) __gcov_dump();
    ::_exit(status);
  }
  const int watched = child < 0 ? -1 : static_cast<int>(::syscall(SYS_pidfd_open, child, 0));
  if (watched < 0) {
    std::perror("fork or pidfd_open");
    std::abort();
  }
  pollfd ended{watched, POLLIN, 0};
  const auto deadline = std::chrono::steady_clock::now() + limit;
  int ready = 0;
  do {
    const auto left = deadline - std::chrono::steady_clock::now();
    const auto wait = std::chrono::duration_cast<std::chrono::milliseconds>(left).count();
    ready = ::poll(&ended, 1, wait > 0 ? static_cast<int>(wait) : 0);
  } while (ready < 0 && errno == EINTR);
  ::close(watched);
  if (ready == 0) ::kill(child, SIGKILL);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (ready == 0) return {};
  return WIFEXITED(status) ? exited(WEXITSTATUS(status)) : killed(WTERMSIG(status));
}

}  // namespace support

#endif
