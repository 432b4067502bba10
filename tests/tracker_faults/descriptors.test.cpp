// Descriptors that somebody else in the process closes, or takes the numbers of.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <set>
#include <string>
#include <support/child.hpp>
#include <vector>

#include "armed_tracker.hpp"
#include "contents_kernel.hpp"

using gcbarrier::mechanism_kind;
using support::exited;
using support::memory;
using support::memory_kind;
using support::page_numbers;
using support::run_in_child;

namespace {

constexpr int limit = 256;  // more descriptors than a test has

std::set<int> open_descriptors() {
  std::set<int> numbers;
  for (int number = 0; number < limit; ++number) {
    if (::fcntl(number, F_GETFD) >= 0) numbers.insert(number);
  }
  return numbers;
}

// The descriptors that opening a tracker adds.
struct tracker_with_descriptors {
  explicit tracker_with_descriptors(mechanism_kind kind, gcbarrier::kernel::system_calls calls = {})
      : one(kind, calls) {
    for (const int number : open_descriptors()) {
      if (!before.contains(number)) own.push_back(number);
    }
  }
  std::set<int> before = open_descriptors();
  armed_tracker one;
  std::vector<int> own;
};

// An unrelated file of this number.
void take_number(int number) {
  const int file = ::memfd_create("unrelated", MFD_CLOEXEC);
  REQUIRE(file >= 0);
  if (file == number) return;
  REQUIRE(::dup2(file, number) == number);
  ::close(file);
}
std::string contents(int file) {
  std::string text(64, '\0');
  text.resize(static_cast<std::size_t>(std::max<ssize_t>(0, ::pread(file, text.data(), text.size(), 0))));
  return text;
}

// mprotect's tracking does not depend on its descriptor, which is for a check only.
constexpr std::size_t descriptors_of(mechanism_kind kind) {
  return kind == mechanism_kind::mprotect ? 1 : 2;
}

}  // namespace

TEST_CASE("descriptors: each of them is closed; noticed, and mended with new ones") {
  for (const mechanism_kind kind : every_real_mechanism) {
    CAPTURE(name_of(kind));
    for (std::size_t closed = 0; closed < descriptors_of(kind); ++closed) {
      CAPTURE(closed);
      tracker_with_descriptors with(kind);
      REQUIRE(with.own.size() == descriptors_of(kind));
      REQUIRE(::close(with.own[closed]) == 0);
      with.one.heap.write(9);
      CHECK(with.one.answers_everything());
      CHECK(with.one.is_exact());
    }
  }
}

TEST_CASE("descriptors: all are closed, with two arenas, before each call") {
  using call = void (*)(armed_tracker&);
  const call calls[] = {[](armed_tracker& one) { (void)one.tracker.collect(); },
                        [](armed_tracker& one) { (void)one.tracker.peek(); },
                        [](armed_tracker& one) { one.tracker.arm(); },
                        [](armed_tracker& one) { (void)one.tracker.expect_writes(one.heap.range(3, 4)); },
                        [](armed_tracker& one) {
                          one.heap.grow(40);
                          (void)one.tracker.resize_arena(one.heap.data(), one.heap.bytes());
                        },
                        [](armed_tracker& one) {
                          (void)one.tracker.remove_arena(one.heap.data());
                          CHECK_FALSE(one.tracker.add_arena(one.heap.range()));
                        }};
  for (const mechanism_kind kind : every_real_mechanism) {
    CAPTURE(name_of(kind));
    for (const call first : calls) {
      tracker_with_descriptors with(kind);
      const memory other(memory_kind::small_pages, 8);
      REQUIRE_FALSE(with.one.tracker.add_arena(other.range()));
      with.one.tracker.arm();
      for (const int number : with.own) ::close(number);
      other.write(2);
      first(with.one);
      with.one.heap.write(9);
      other.write(3);
      const auto set = with.one.tracker.collect();
      CHECK(set.contains(with.one.heap.page(9)));
      CHECK(set.contains(other.page(3)));
      CHECK(with.one.is_exact());
      other.write(5);
      CHECK(other.pages_in(with.one.tracker.collect()) == page_numbers{5});
    }
  }
}

TEST_CASE("descriptors: closed before there is any arena") {
  for (const mechanism_kind kind : every_real_mechanism) {
    CAPTURE(name_of(kind));
    const std::set<int> before = open_descriptors();
    gcbarrier::write_tracker tracker = open_or_die({.mechanism = kind});
    for (const int number : open_descriptors()) {
      if (!before.contains(number)) ::close(number);
    }
    const memory heap(memory_kind::small_pages, 8);
    CHECK_FALSE(tracker.add_arena(heap.range()));
    tracker.arm();
    heap.write(1);
    const bool exact = heap.pages_in(tracker.collect()) == page_numbers{1};
    CHECK((exact || tracker.problem().code == EBADF));
    heap.write(2);
    CHECK(heap.pages_in(tracker.collect()) == page_numbers{2});
    CHECK_FALSE(tracker.problem());
  }
}

TEST_CASE("descriptors: numbers that are other files' by now are neither used nor closed") {
  for (const mechanism_kind kind : every_real_mechanism) {
    CAPTURE(name_of(kind));
    std::vector<int> numbers;
    {
      tracker_with_descriptors with(kind);
      numbers = with.own;
      for (const int number : numbers) take_number(number);
      with.one.heap.write(9);
      CHECK(with.one.answers_everything());
      CHECK(with.one.is_exact());
      for (const int number : numbers) CHECK(contents(number).empty());
    }
    for (const int number : numbers) CHECK(::close(number) == 0);
  }
}

TEST_CASE("descriptors: the tracker ends while its numbers are other files'") {
  for (const mechanism_kind kind : every_real_mechanism) {
    CAPTURE(name_of(kind));
    std::vector<int> numbers;
    {
      tracker_with_descriptors with(kind);
      numbers = with.own;
      for (const int number : numbers) take_number(number);
    }
    for (const int number : numbers) CHECK(::close(number) == 0);
  }
}

TEST_CASE("descriptors: soft_dirty writes nothing into the file that has its number") {
  for (const std::size_t taken : {0, 1, 2}) {  // one of the two, or both
    CAPTURE(taken);
    contents_kernel kernel;
    std::vector<int> numbers;
    {
      tracker_with_descriptors with(mechanism_kind::soft_dirty, kernel.calls());
      kernel.models(with.one.heap.range());
      REQUIRE(with.own.size() == 2);
      numbers = with.own;
      if (taken < 2) numbers = {with.own[taken]};
      for (const int number : numbers) {
        ::close(number);
        take_number(number);
        kernel.forget_file(number);
      }
      CHECK(with.one.answers_everything());
      with.one.heap.write(3, 7);
      CHECK(with.one.tracker.collect().contains(with.one.heap.page(3)));
      with.one.heap.write(4, 7);
      CHECK(with.one.pages(with.one.tracker.collect()) == page_numbers{4});
      CHECK_FALSE(with.one.tracker.problem());
      for (const int number : numbers) CHECK(contents(number).empty());
    }
    for (const int number : numbers) CHECK(::close(number) == 0);
  }
}

TEST_CASE("descriptors: soft_dirty notices that somebody else cleared the bits") {
  contents_kernel kernel;
  armed_tracker one(mechanism_kind::soft_dirty, kernel.calls());
  kernel.models(one.heap.range());
  one.tracker.arm();
  one.heap.write(3, 7);
  kernel.clear();
  CHECK(one.answers_everything());
  one.heap.write(4, 7);
  CHECK(one.pages(one.tracker.collect()) == page_numbers{4});
  CHECK_FALSE(one.tracker.problem());
}

TEST_CASE("descriptors: two soft_dirty trackers take each other's bits, and both say so") {
  contents_kernel kernel;
  armed_tracker first(mechanism_kind::soft_dirty, kernel.calls());
  armed_tracker second(mechanism_kind::soft_dirty, kernel.calls());
  for (int i = 0; i < 3; ++i) {
    first.heap.write(3, static_cast<char>(10 + i));
    second.heap.write(4, static_cast<char>(10 + i));
    CHECK(first.answers_everything());
    CHECK(second.answers_everything());
  }
}

TEST_CASE("descriptors: another tracker has taken the numbers") {
  tracker_with_descriptors with(mechanism_kind::uffd_async);
  for (const int number : with.own) ::close(number);
  {
    armed_tracker thief(mechanism_kind::uffd_async);
    with.one.heap.write(9);
    CHECK(with.one.answers_everything());
    CHECK(with.one.is_exact());
    CHECK(thief.is_exact());
  }
  with.one.heap.write(9);
  CHECK(with.one.pages(with.one.tracker.collect()) == page_numbers{9});  // it has its own by now
  CHECK(with.one.is_exact());
}

TEST_CASE("descriptors: none is free when new ones are needed") {
  CHECK(run_in_child([] {
          tracker_with_descriptors with(mechanism_kind::uffd_async);
          rlimit files{};
          ::getrlimit(RLIMIT_NOFILE, &files);
          const rlimit none{3, files.rlim_max};
          ::setrlimit(RLIMIT_NOFILE, &none);
          // What is open goes on.
          with.one.heap.write(5);
          if (with.one.pages(with.one.tracker.collect()) != page_numbers{5}) return 1;
          for (const int number : with.own) ::close(number);
          for (int i = 0; i < 3; ++i) {
            with.one.heap.write(6);
            if (!with.one.answers_everything()) return 2;
          }
          if (with.one.tracker.problem().code != EMFILE) return 3;
          ::setrlimit(RLIMIT_NOFILE, &files);
          if (!with.one.answers_everything()) return 4;
          return with.one.is_exact() ? 0 : 5;
        }) == exited(0));
}

TEST_CASE("descriptors: none is free when a tracker is opened") {
  CHECK(run_in_child([] {
          const rlimit none{3, 3};
          ::setrlimit(RLIMIT_NOFILE, &none);
          for (const mechanism_kind kind : every_real_mechanism) {
            const auto opened = gcbarrier::write_tracker::open({.mechanism = kind});
            if (opened || opened.error().code != EMFILE) return 1;
          }
          return 0;
        }) == exited(0));
}
