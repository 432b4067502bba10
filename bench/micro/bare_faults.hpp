// Write faults handled by hand, with nothing noted: what those of the library's mechanisms are compared with.
#ifndef GCBENCH_MICRO_BARE_FAULTS_HPP
#define GCBENCH_MICRO_BARE_FAULTS_HPP

#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <gcbarrier/address_range.hpp>
#include <gcbarrier/error.hpp>
#include <gcbarrier/kernel/descriptor.hpp>
#include <gcbarrier/kernel/uapi.hpp>
#include <gcbarrier/kernel/userfaultfd.hpp>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

#include "measure/arena_memory.hpp"

namespace gcbench {

inline void require(const gcbarrier::error& why) {
  if (!why) return;
  std::array<char, 256> text{};
  why.describe(text.data(), text.size());
  throw std::runtime_error(text.data());
}

// A userfaultfd over the range, in write-protect mode.
class bare_userfaultfd {
 public:
  bare_userfaultfd(gcbarrier::address_range range, std::uint64_t features) : range_(range) {
    auto opened = gcbarrier::kernel::open_userfaultfd({});
    if (!opened) require(opened.error());
    descriptor_ = std::move(*opened);
    require(gcbarrier::kernel::negotiate({}, number(), features, "this kernel is too old"));
    require(gcbarrier::kernel::register_range({}, number(), range));
  }
  void arm() { protect(range_, true); }

 protected:
  [[nodiscard]] int number() const { return descriptor_.number(); }
  void protect(gcbarrier::address_range range, bool on) {
    require(gcbarrier::kernel::write_protect({}, number(), range, on));
  }

 private:
  gcbarrier::address_range range_;
  gcbarrier::kernel::descriptor descriptor_;
};

// The kernel lets the write go on by itself.
class bare_uffd_async : public bare_userfaultfd {
 public:
  explicit bare_uffd_async(gcbarrier::address_range range)
      : bare_userfaultfd(range, gcbarrier::kernel::async_write_protect_features) {}
};

// A thread reads of the fault and un-protects the page.
class bare_uffd_sync : public bare_userfaultfd {
 public:
  explicit bare_uffd_sync(gcbarrier::address_range range)
      : bare_userfaultfd(range, gcbarrier::kernel::uapi::feature_pagefault_flag_wp) {
    if (::pipe(ending_.data()) != 0) throw std::system_error(errno, std::generic_category(), "pipe");
    monitor_ = std::thread([this] { watch(); });
  }
  bare_uffd_sync(const bare_uffd_sync&) = delete;
  bare_uffd_sync& operator=(const bare_uffd_sync&) = delete;
  ~bare_uffd_sync() {
    ::close(ending_[1]);
    monitor_.join();
    ::close(ending_[0]);
  }

 private:
  void watch() {
    for (;;) {
      std::array<pollfd, 2> ready{{{number(), POLLIN, 0}, {ending_[0], POLLIN, 0}}};
      if (::poll(ready.data(), ready.size(), -1) < 0 || ready[1].revents != 0) return;
      gcbarrier::kernel::uapi::uffd_msg message{};
      if (::read(number(), &message, sizeof message) != sizeof message) continue;
      protect(gcbarrier::address_range{message.address, message.address + 1}.widened_to(
                  arena_memory::page_size()),
              false);
    }
  }

  std::array<int, 2> ending_{};
  std::thread monitor_;
};

// A signal handler makes the page writable. The handler is there only while a range is armed by this class.
class bare_mprotect {
 public:
  explicit bare_mprotect(gcbarrier::address_range range) : range_(range) {}
  bare_mprotect(const bare_mprotect&) = delete;
  bare_mprotect& operator=(const bare_mprotect&) = delete;
  ~bare_mprotect() {
    protect(range_, PROT_READ | PROT_WRITE);
    if (installed_) ::sigaction(SIGSEGV, &before_, nullptr);
  }
  void arm() {
    if (!installed_) {
      struct sigaction handler {};
      handler.sa_flags = SA_SIGINFO;
      handler.sa_sigaction = [](int /*signal*/, siginfo_t* why, void* /*context*/) {
        const auto at = reinterpret_cast<std::uintptr_t>(why->si_addr);
        protect(gcbarrier::address_range{at, at + 1}.widened_to(arena_memory::page_size()),
                PROT_READ | PROT_WRITE);
      };
      installed_ = ::sigaction(SIGSEGV, &handler, &before_) == 0;
    }
    protect(range_, PROT_READ);
  }

 private:
  static void protect(gcbarrier::address_range range, int how) {
    if (::mprotect(reinterpret_cast<void*>(range.begin), range.bytes(), how) != 0) ::_exit(3);
  }

  gcbarrier::address_range range_;
  bool installed_ = false;
  struct sigaction before_ {};
};

}  // namespace gcbench

#endif
