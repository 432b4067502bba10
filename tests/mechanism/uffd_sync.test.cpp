// What is peculiar to uffd_sync: the monitor thread, and what user mode only means without the kernel's help.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <gcbarrier/barrier/kernel_barrier.hpp>
#include <gcbarrier/mechanism/any_mechanism.hpp>
#include <gcbarrier/mechanism/uffd_sync.hpp>
#include <iterator>
#include <optional>
#include <string>
#include <support/child.hpp>
#include <support/faked_calls.hpp>
#include <support/memory.hpp>
#include <support/skip.hpp>
#include <thread>
#include <utility>
#include <vector>

namespace kernel = gcbarrier::kernel;
namespace uapi = gcbarrier::kernel::uapi;
using gcbarrier::run_list;
using gcbarrier::uffd_sync;
using support::faked_calls;
using support::memory;
using support::memory_kind;
using support::page_numbers;

namespace {

constexpr std::size_t pages = 200;

struct watched {
  memory heap{memory_kind::small_pages, pages};
  uffd_sync mechanism;
  run_list runs;

  explicit watched(kernel::system_calls calls = {}) : mechanism(open(calls)) {
    REQUIRE_FALSE(runs.reserve(pages));
    REQUIRE_FALSE(mechanism.attach(heap.range()));
    REQUIRE_FALSE(mechanism.protect(heap.range()));
  }
  static uffd_sync open(kernel::system_calls calls) {
    auto opened = uffd_sync::open(calls);
    REQUIRE(opened);
    return std::move(*opened);
  }
  page_numbers collect() {
    runs.clear();
    REQUIRE_FALSE(mechanism.read_and_protect(heap.range(), runs));
    return heap.pages_in(runs.runs());
  }
};

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define GCBARRIER_THREAD_SANITIZER 1
#endif
#elif defined(__SANITIZE_THREAD__)
#define GCBARRIER_THREAD_SANITIZER 1
#endif
#ifdef GCBARRIER_THREAD_SANITIZER
constexpr bool thread_sanitizer = true;
#else
constexpr bool thread_sanitizer = false;
#endif

std::size_t threads_of_this_process() {
  const std::filesystem::directory_iterator tasks("/proc/self/task");
  return static_cast<std::size_t>(std::distance(begin(tasks), end(tasks)));
}

}  // namespace

TEST_CASE("uffd_sync: has a thread while it lives, and is chosen by nobody") {
  std::thread([] {}).join();  // with its first thread a sanitizer starts one of its own
  const std::size_t before = threads_of_this_process();
  {
    const watched one;
    CHECK(threads_of_this_process() == before + 1);
  }
  CHECK(threads_of_this_process() == before);
  CHECK(gcbarrier::any_mechanism::open(gcbarrier::mechanism_kind::uffd_sync, {}).error().code == EINVAL);
  CHECK(gcbarrier::kernel_barrier<uffd_sync>::name == "uffd_sync");
}

TEST_CASE("uffd_sync: a system call that writes into a protected page fails with EFAULT") {
  watched one;
  CHECK_FALSE(one.mechanism.traits().sees_system_calls);
  const int zeros = ::open("/dev/zero", O_RDONLY | O_CLOEXEC);
  REQUIRE(zeros >= 0);
  errno = 0;
  CHECK(::read(zeros, one.heap.page(5), 8) == -1);
  CHECK(errno == EFAULT);
  CHECK(one.collect().empty());
  one.heap.write(5);  // the control: where a thread has written the call may write too
  CHECK(::read(zeros, one.heap.page(5), 8) == 8);
  CHECK(one.collect() == page_numbers{5});
  ::close(zeros);
}

TEST_CASE(
    "uffd_sync: threads that write to the same protected pages at once all go on, and nothing is lost") {
  watched one;
  for (int round = 0; round < 5; ++round) {
    std::vector<std::thread> writers;
    for (std::size_t t = 0; t < 4; ++t) {
      writers.emplace_back([&, t] {
        for (std::size_t page = 0; page < pages; ++page) one.heap.write(page, 7, 64 * t);
      });
    }
    for (std::thread& writer : writers) writer.join();
    CHECK(one.collect() == support::consecutive(0, pages));
    CHECK(one.collect().empty());
  }
}

TEST_CASE("uffd_sync: no write is lost that races with collecting") {
  watched one;
  std::atomic<bool> stop = false;
  const auto byte_of = [&](std::size_t page) { return std::atomic_ref(*one.heap.page(page)); };
  std::array<std::atomic<unsigned>, pages> written{};
  std::thread writer([&] {
    for (std::size_t page = 0; !stop; page = (page + 1) % pages) {
      byte_of(page).store(static_cast<char>(written.at(page) + 1), std::memory_order_relaxed);
      ++written.at(page);
    }
  });
  std::array<char, pages> copy{};
  const auto take = [&](const page_numbers& set) {
    for (const std::size_t page : set) copy.at(page) = byte_of(page).load(std::memory_order_relaxed);
  };
  take(support::consecutive(0, pages));
  for (int i = 0; i < 200; ++i) take(one.collect());
  stop = true;
  writer.join();
  take(one.collect());
  for (std::size_t page = 0; page < pages; ++page) {
    CAPTURE(page);
    CHECK(copy.at(page) == one.heap.read(page));
  }
}

TEST_CASE("uffd_sync: a forked child has nothing protected, and may open it anew; the parent goes on") {
  if (thread_sanitizer) SKIP_TEST("ThreadSanitizer ends a child of a process with threads that starts one");
  watched one;
  const support::child_outcome child = support::run_in_child([&] {
    one.heap.write(1);  // nobody would wake the child
    if (one.mechanism.reopen()) return 1;
    if (one.mechanism.attach(one.heap.range()) || one.mechanism.protect(one.heap.range())) return 2;
    one.heap.write(9);
    one.runs.clear();
    if (one.mechanism.read(one.heap.range(), one.runs)) return 3;
    return one.heap.pages_in(one.runs.runs()) == page_numbers{9} ? 0 : 4;
  });
  CHECK(child == support::exited(0));
  one.heap.write(3);
  CHECK(one.collect() == page_numbers{3});
}

TEST_CASE("uffd_sync: a child that never uses it ends without waiting for a thread that it has not") {
  std::optional<watched> one(std::in_place);
  CHECK(support::run_in_child([&] {
          one.reset();
          return 0;
        }) == support::exited(0));
  one->heap.write(3);
  CHECK(one->collect() == page_numbers{3});
}

TEST_CASE("uffd_sync: a hole in an arena is an error") {
  watched one;
  REQUIRE(::munmap(one.heap.page(10), memory::page_size()) == 0);
  CHECK(one.mechanism.read(one.heap.range(), one.runs).code == ENOMEM);
  CHECK(one.mechanism.read_and_protect(one.heap.range(), one.runs).code == ENOMEM);
}

TEST_CASE("uffd_sync: a closed descriptor is an error, and nobody sleeps") {
  // The eventfd and the userfaultfd get the lowest free numbers, so they are found by closing those.
  const int first = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  ::close(first);
  watched one;
  for (int number = first; number < first + 8; ++number) {
    std::array<char, 64> name{};
    const std::string link = "/proc/self/fd/" + std::to_string(number);
    if (::readlink(link.c_str(), name.data(), name.size() - 1) > 0 &&
        std::strstr(name.data(), "userfaultfd") != nullptr) {
      ::close(number);
    }
  }
  one.heap.write(4);
  CHECK(one.mechanism.read(one.heap.range(), one.runs).code == EBADF);
  CHECK(one.mechanism.attach(one.heap.range()).code == EBADF);
  REQUIRE_FALSE(one.mechanism.reopen());
  REQUIRE_FALSE(one.mechanism.attach(one.heap.range()));
  REQUIRE_FALSE(one.mechanism.protect(one.heap.range()));
  one.heap.write(4);
  CHECK(one.collect() == page_numbers{4});
}

TEST_CASE("uffd_sync: what cannot be opened says why") {
  const auto code_of = [](faked_calls::function answer) {
    faked_calls fake(std::move(answer));
    return uffd_sync::open(fake.calls()).error().code;
  };
  CHECK(code_of([](long number, faked_calls::argument_list) -> std::optional<long> {
          if (number == SYS_eventfd2) return -EMFILE;
          return {};
        }) == EMFILE);
  CHECK(code_of([](long number, faked_calls::argument_list) -> std::optional<long> {
          if (number == SYS_userfaultfd || number == SYS_openat) return -EPERM;
          return {};
        }) == EPERM);
  CHECK(code_of([](long number, faked_calls::argument_list a) -> std::optional<long> {
          if (number != SYS_ioctl || static_cast<unsigned long>(a[1]) != uapi::ioctl_api) return {};
          reinterpret_cast<uapi::uffdio_api*>(a[2])->features = 0;  // a kernel before 6.4
          return 0;
        }) == ENOTSUP);
}

TEST_CASE("uffd_sync: a failure half way leaves pages in the set") {
  std::atomic<bool> fails = false;  // the monitor looks too
  faked_calls fake([&](long number, faked_calls::argument_list a) -> std::optional<long> {
    if (!fails || number != SYS_ioctl) return {};
    if (static_cast<unsigned long>(a[1]) != uapi::ioctl_writeprotect) return {};
    const auto* const request = reinterpret_cast<uapi::uffdio_writeprotect*>(a[2]);
    if (request->mode != uapi::writeprotect_mode_wp) return {};
    return -ENOENT;
  });
  watched one(fake.calls());
  one.heap.write(3);
  fails = true;
  CHECK(one.mechanism.read_and_protect(one.heap.range(), one.runs).code == ENOENT);
  fails = false;
  CHECK(one.collect() == page_numbers{3});
}
