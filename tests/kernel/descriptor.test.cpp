// A descriptor closes itself, once, through the calls that it was opened with.
#include <doctest/doctest.h>

#include <gcbarrier/kernel/descriptor.hpp>
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
