#include <doctest/doctest.h>

#include <cerrno>
#include <gcbarrier/error.hpp>
#include <string>

using gcbarrier::error;
using gcbarrier::result;

namespace {
std::string text_of(const error& what) {
  char line[200];
  const std::size_t length = what.describe(line, sizeof line);
  CHECK(length == std::string(line).size());
  return line;
}
}  // namespace

TEST_CASE("error: says what failed, on what, and what to do") {
  CHECK(text_of({}) == "no error");
  CHECK(text_of({"open", ENOENT, {}, ""}) == "open: No such file or directory");
  CHECK(text_of({"add_arena", EINVAL, {0x1000, 0x2000}, "align it"}) ==
        "add_arena on [0x1000, 0x2000): Invalid argument; align it");
}

TEST_CASE("error: a short buffer is cut, and the whole length is told") {
  char line[8];
  CHECK(error{"userfaultfd", EPERM, {}, ""}.describe(line, sizeof line) == 36);
  CHECK(std::string(line) == "userfau");
}

TEST_CASE("result: a value or an error") {
  const result<int> good = 7;
  REQUIRE(good);
  CHECK(*good == 7);
  const result<int> bad = error{"open", EMFILE, {}, ""};
  REQUIRE_FALSE(bad);
  CHECK(bad.error().code == EMFILE);
}
