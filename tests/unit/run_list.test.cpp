#include <doctest/doctest.h>

#include <gcbarrier/run_list.hpp>

using gcbarrier::address_range;
using gcbarrier::run_list;

TEST_CASE("run_list: touching runs merge, overlapping ones unite, empty ones vanish") {
  run_list list{gcbarrier::kernel::system_calls{}};
  REQUIRE_FALSE(list.reserve(8));
  list.append({10, 20});
  list.append({20, 30});
  list.append({40, 50});
  list.append({60, 60});
  list.unite({40, 45});
  CHECK(list.runs()[1] == address_range{40, 50});
  list.unite({45, 70});
  list.unite({80, 90});
  REQUIRE(list.runs().size() == 3);
  CHECK(list.runs()[0] == address_range{10, 30});
  CHECK(list.runs()[1] == address_range{40, 70});
  CHECK(list.runs()[2] == address_range{80, 90});
  list.clear();
  CHECK(list.runs().empty());
}
