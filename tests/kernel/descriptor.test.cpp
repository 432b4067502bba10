// A descriptor closes itself, once, through the calls that it was opened with; a lasting one only if it still
// is the file that was opened.
#include <doctest/doctest.h>

#include <cerrno>
#include <gcbarrier/kernel/descriptor.hpp>
#include <gcbarrier/kernel/lasting_descriptor.hpp>
#include <support/faked_calls.hpp>
#include <utility>
#include <vector>

using gcbarrier::kernel::descriptor;
using support::faked_calls;

namespace {

struct closings {
  std::vector<long> numbers;
  faked_calls fake{[this](long number, faked_calls::argument_list a) -> std::optional<long> {
    if (number != SYS_close) return std::nullopt;
    numbers.push_back(a[0]);
    return 0;
  }};
};

}  // namespace

TEST_CASE("descriptor: none") {
  CHECK(descriptor().number() == -1);
  closings seen;
  { const descriptor none(seen.fake.calls(), -1); }
  CHECK(seen.numbers.empty());
}

TEST_CASE("descriptor: closed at the end, once, wherever it was moved") {
  closings seen;
  {
    descriptor first(seen.fake.calls(), 7);
    descriptor second(std::move(first));
    CHECK(second.number() == 7);
    descriptor third;
    third = std::move(second);
    CHECK(third.number() == 7);
    CHECK(seen.numbers.empty());
  }
  CHECK(seen.numbers == std::vector<long>{7});
}

TEST_CASE("descriptor: assigning another closes the one before") {
  closings seen;
  descriptor one(seen.fake.calls(), 7);
  one = descriptor(seen.fake.calls(), 8);
  CHECK(seen.numbers == std::vector<long>{7});
  one = {};
  CHECK(seen.numbers == std::vector<long>{7, 8});
  CHECK(one.number() == -1);
}

TEST_CASE("descriptor: released, it is somebody else's") {
  closings seen;
  {
    descriptor one(seen.fake.calls(), 7);
    CHECK(one.release() == 7);
    CHECK(one.number() == -1);
  }
  CHECK(seen.numbers.empty());
}

TEST_CASE("descriptor: standard input is a descriptor too") {
  closings seen;
  { const descriptor zero(seen.fake.calls(), 0); }
  CHECK(seen.numbers == std::vector<long>{0});
}

TEST_CASE("lasting_descriptor: another inode, or the same one of another device, is another file") {
  struct stat file {};
  long answer = 0;
  std::vector<long> closed;
  faked_calls fake([&](long number, faked_calls::argument_list a) -> std::optional<long> {
    if (number == SYS_close) closed.push_back(a[0]);
    if (number != SYS_fstat) return number == SYS_close ? std::optional<long>(0) : std::nullopt;
    *reinterpret_cast<struct stat*>(a[1]) = file;
    return answer;
  });
  file.st_dev = 1;
  file.st_ino = 7;
  {
    const gcbarrier::kernel::lasting_descriptor one(fake.calls(), 5);
    CHECK(one.intact());
    file.st_dev = 2;
    CHECK_FALSE(one.intact());
    file.st_dev = 1;
    file.st_ino = 8;
    CHECK_FALSE(one.intact());
    answer = -EBADF;
    CHECK_FALSE(one.intact());
    answer = -EPERM;  // in a sandbox, where the number must do
    CHECK(one.intact());
    answer = 0;
  }
  CHECK(closed.empty());
}
