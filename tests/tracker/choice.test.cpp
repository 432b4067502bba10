// Which mechanism is chosen, and why the others were not.
#include <doctest/doctest.h>

#include <cerrno>
#include <cstring>
#include <support/faked_calls.hpp>
#include <support/soft_dirty_kernel.hpp>

#include "tracked.hpp"

using gcbarrier::mechanism_kind;
using gcbarrier::write_tracker;
using support::faked_calls;
using support::memory;
using support::memory_kind;
using support::page_numbers;

namespace {

std::optional<long> without_userfaultfd(long number, faked_calls::argument_list a) {
  if (number == SYS_userfaultfd) return -ENOSYS;
  const bool device =
      number == SYS_openat && std::strcmp(reinterpret_cast<const char*>(a[1]), "/dev/userfaultfd") == 0;
  return device ? std::optional<long>(-ENOENT) : std::nullopt;
}

const gcbarrier::error& refused(const gcbarrier::result<write_tracker>& tracker, mechanism_kind kind) {
  return tracker->choice().refused[static_cast<std::size_t>(kind)];
}

gcbarrier::result<write_tracker> open(std::optional<mechanism_kind> kind,
                                      gcbarrier::kernel::system_calls calls) {
  return write_tracker::open({.mechanism = kind, .adopted = std::nullopt, .calls = calls});
}

}  // namespace

TEST_CASE("choice: the best that works, and what was better and did not is told") {
  const auto best = write_tracker::open();
  REQUIRE(best);
  CHECK(best->kind() == mechanism_kind::uffd_async);
  CHECK(best->choice().chosen == mechanism_kind::uffd_async);
  for (const gcbarrier::error& why : best->choice().refused) CHECK_FALSE(why);

  // No userfaultfd, but soft-dirty bits.
  support::soft_dirty_kernel soft_dirty;
  faked_calls second([&](long number, faked_calls::argument_list a) -> std::optional<long> {
    if (const auto answer = without_userfaultfd(number, a)) return answer;
    return soft_dirty.calls().call(number, a[0], a[1], a[2], a[3], a[4], a[5]);
  });
  const auto middle = open(std::nullopt, second.calls());
  REQUIRE(middle);
  CHECK(middle->kind() == mechanism_kind::soft_dirty);
  CHECK(refused(middle, mechanism_kind::uffd_async).code == ENOSYS);
  CHECK(middle->traits().clears_whole_process);

  // Neither.
  soft_dirty.keeps_bits = false;
  const auto last = open(std::nullopt, second.calls());
  REQUIRE(last);
  CHECK(last->kind() == mechanism_kind::mprotect);
  CHECK(last->choice().chosen == mechanism_kind::mprotect);
  CHECK(refused(last, mechanism_kind::uffd_async).code == ENOSYS);
  CHECK(refused(last, mechanism_kind::soft_dirty).code == ENOTSUP);
  CHECK_FALSE(refused(last, mechanism_kind::mprotect));
}

TEST_CASE("choice: what is asked for by name is opened or refused, and nothing else is tried") {
  faked_calls fake(without_userfaultfd);
  const auto none = open(mechanism_kind::uffd_async, fake.calls());
  REQUIRE_FALSE(none);
  CHECK(none.error().code == ENOSYS);
  char line[300];
  CHECK(none.error().describe(line, sizeof line) > 0);
  CHECK(std::strstr(line, "userfaultfd") != nullptr);
  const auto named = open(mechanism_kind::mprotect, fake.calls());
  REQUIRE(named);
  CHECK(named->choice().chosen == mechanism_kind::mprotect);
  CHECK_FALSE(refused(named, mechanism_kind::uffd_async));  // not tried
  CHECK_FALSE(open(static_cast<mechanism_kind>(99), {}));
}

TEST_CASE("choice: adopted descriptors are used for what they are") {
  auto userfaultfd = gcbarrier::kernel::open_userfaultfd({});
  REQUIRE(userfaultfd);
  REQUIRE_FALSE(gcbarrier::kernel::negotiate_async({}, userfaultfd->number()));
  const int pagemap =
      static_cast<int>(gcbarrier::kernel::system_calls{}.open("/proc/self/pagemap", O_RDONLY));
  auto tracker =
      write_tracker::open({.mechanism = std::nullopt,
                           .adopted = gcbarrier::adopted_descriptors{userfaultfd->release(), pagemap},
                           .calls = {}});
  REQUIRE(tracker);
  CHECK(tracker->kind() == mechanism_kind::uffd_async);
  const memory heap(memory_kind::small_pages, 8);
  REQUIRE_FALSE(tracker->add_arena(heap.range()));
  tracker->arm();
  heap.write(3);
  CHECK(heap.pages_in(tracker->collect()) == page_numbers{3});
}

TEST_CASE("choice: a tracker's own memory may be refused too") {
  faked_calls fake([](long number, faked_calls::argument_list) -> std::optional<long> {
    return number == SYS_mmap ? std::optional<long>(-ENOMEM) : std::nullopt;
  });
  const auto none =
      write_tracker::open({.mechanism = std::nullopt, .adopted = std::nullopt, .calls = fake.calls()});
  REQUIRE_FALSE(none);
  CHECK(none.error().code == ENOMEM);
}
