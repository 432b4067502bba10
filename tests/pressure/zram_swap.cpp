#include "zram_swap.hpp"

#include <fcntl.h>
#include <sys/swap.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

namespace pressure {

namespace {

struct message {
  int number = -1;
  int error = 0;
  char what[64] = "";
};

// The beginning of a swap area, as mkswap(8) writes it.
struct swap_header {
  char boot[1024];
  std::uint32_t version;
  std::uint32_t last_page;
  std::uint32_t bad_pages;
};

bool put(const std::string& path, const std::string& text) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (file < 0) return false;
  const bool done = ::write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  const int why = errno;
  ::close(file);
  errno = why;
  return done;
}

int new_device() {
  const int file = ::open("/sys/class/zram-control/hot_add", O_RDONLY | O_CLOEXEC);
  if (file < 0) return -1;
  char text[16] = "";
  const ssize_t length = ::read(file, text, sizeof text - 1);
  ::close(file);
  return length > 0 ? std::atoi(text) : -1;
}

bool write_header(const std::string& device, std::size_t bytes) {
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  std::string first(page, '\0');
  swap_header header{};
  header.version = 1;
  header.last_page = static_cast<std::uint32_t>(bytes / page - 1);
  std::memcpy(first.data(), &header, sizeof header);
  first.replace(page - 10, 10, "SWAPSPACE2");
  return put(device, first);
}

message make(std::size_t bytes) {
  message said;
  const auto failed = [&said](const char* what) {
    said.error = errno != 0 ? errno : EIO;
    std::snprintf(said.what, sizeof said.what, "%s", what);
    return said;
  };
  errno = 0;
  said.number = new_device();
  if (said.number < 0) return failed("zram-control/hot_add");
  const std::string name = "zram" + std::to_string(said.number);
  const std::string device = "/dev/" + name;
  if (!put("/sys/block/" + name + "/disksize", std::to_string(bytes))) return failed("zram disksize");
  if (!write_header(device, bytes)) return failed("write the swap header");
  if (::swapon(device.c_str(), SWAP_FLAG_PREFER | 100) != 0) return failed("swapon");
  return said;
}

message unmake(int number) {
  message said;
  if (number < 0) return said;
  said.number = number;
  const std::string text = std::to_string(number);
  if (::swapoff(("/dev/zram" + text).c_str()) != 0 && errno != EINVAL) {  // EINVAL: it was not on
    said.error = errno;
    std::snprintf(said.what, sizeof said.what, "swapoff");
  }
  // Whoever looks at new block devices may have it open for a moment.
  for (int attempt = 0; attempt < 100; ++attempt) {
    if (put("/sys/class/zram-control/hot_remove", text)) return said;
    ::usleep(50'000);
  }
  said.error = errno;
  std::snprintf(said.what, sizeof said.what, "zram-control/hot_remove");
  return said;
}

[[noreturn]] void keep(std::size_t bytes, int alive, int report) {
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, nullptr);
  ::setsid();
  const message made = make(bytes);
  (void)!::write(report, &made, sizeof made);
  if (made.error == 0) {
    char nothing = 0;
    while (::read(alive, &nothing, 1) != 0) {
    }
  }
  const message gone = unmake(made.number);
  (void)!::write(report, &gone, sizeof gone);
  ::_exit(0);
}

// Empty where nothing went wrong.
std::string told(int report, int* number) {
  message said;
  if (::read(report, &said, sizeof said) != static_cast<ssize_t>(sizeof said)) {
    return "the custodian of the swap device is gone";
  }
  if (number != nullptr) *number = said.number;
  return said.error == 0 ? "" : std::string(said.what) + ": " + std::strerror(said.error);
}

}  // namespace

zram_swap::zram_swap(std::size_t bytes) {
  int alive[2];
  int report[2];
  if (::pipe2(alive, O_CLOEXEC) != 0 || ::pipe2(report, O_CLOEXEC) != 0) {
    problem_ = "pipe2";
    return;
  }
  const pid_t between = ::fork();
  if (between == 0) {
    ::close(alive[1]);
    ::close(report[0]);
    if (::fork() == 0) keep(bytes, alive[0], report[1]);
    ::_exit(0);
  }
  ::close(alive[0]);
  ::close(report[1]);
  alive_ = alive[1];
  report_ = report[0];
  if (between > 0) ::waitpid(between, nullptr, 0);
  problem_ = told(report_, &number_);
}

std::string zram_swap::remove() {
  if (alive_ < 0) return "";
  ::close(alive_);
  std::string why = told(report_, nullptr);
  ::close(report_);
  alive_ = report_ = -1;
  return why;
}

}  // namespace pressure
