// A pointer store into tracked memory is the plain store: the claim of the library, in machine code.
#include <doctest/doctest.h>

#include <sstream>
#include <string>
#include <vector>

#include "support/disassembly.hpp"

namespace {

std::vector<std::string> objects() {
  std::istringstream list(STORES_OBJECTS);
  std::vector<std::string> paths;
  for (std::string path; std::getline(list, path, '|');) paths.push_back(path);
  return paths;
}

}  // namespace

TEST_CASE("codegen: tracked stores compile to the plain ones, with every compiler at hand") {
  REQUIRE_FALSE(objects().empty());
  for (const std::string& object : objects()) {
    CAPTURE(object);
    auto code = support::disassembly(object);
    for (const std::string shape : {"store", "insert", "fill"}) {
      CAPTURE(shape);
      const auto& plain = code["plain_" + shape];
      REQUIRE(plain.size() >= 2);  // a store and the return
      CHECK(code["uffd_async_" + shape] == plain);
      CHECK(code["mprotect_" + shape] == plain);
      // The negative control: a software barrier shows.
      CHECK(code["card_" + shape] != plain);
      CHECK(code["card_" + shape].size() > 2);
    }
  }
}
