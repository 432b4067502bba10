// The claim of the whole project, in machine code: a pointer store in the tracked heap is the plain store.
#include <doctest/doctest.h>

#include "support/disassembly.hpp"

TEST_CASE("a pointer store in the tracked heap compiles to the plain store") {
  auto code = support::disassembly(STORE_CODE_OBJECT);
  REQUIRE(code["store_plain"].size() >= 2);  // the store and the return
  CHECK(code["store_tracked"] == code["store_plain"]);
  CHECK(code["store_mprotect"] == code["store_plain"]);
  CHECK(code["store_hybrid"] == code["store_plain"]);
  // The negative control: a software barrier is more than that.
  CHECK(code["store_card"].size() > code["store_plain"].size());
  CHECK(code["store_hybrid_scattered"].size() == code["store_card"].size());
}
