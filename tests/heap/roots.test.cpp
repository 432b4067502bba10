#include <heap/roots.hpp>

#include <memory>
#include <set>

#include "support.hpp"

namespace {

std::set<void*> values(gcheap::roots& list) {
  std::set<void*> seen;
  list.each([&](void** slot) { seen.insert(*slot); });
  return seen;
}

TEST_CASE("roots live and die in any order") {
  gcheap::roots list;
  heap_test::node a{};
  heap_test::node b{};
  heap_test::node c{};
  auto first = std::make_unique<gcheap::root<heap_test::node>>(list, &a);
  auto second = std::make_unique<gcheap::root<heap_test::node>>(list, &b);
  auto third = std::make_unique<gcheap::root<heap_test::node>>(list, &c);
  CHECK(values(list) == std::set<void*>{&a, &b, &c});
  second.reset();
  CHECK(values(list) == std::set<void*>{&a, &c});
  third.reset();
  CHECK(values(list) == std::set<void*>{&a});
  second = std::make_unique<gcheap::root<heap_test::node>>(list, &b);
  first.reset();
  CHECK(values(list) == std::set<void*>{&b});
  second.reset();
  CHECK(values(list).empty());
}

TEST_CASE("a root is updated through its slot, and assignment copies the pointer alone") {
  gcheap::roots list;
  heap_test::node a{};
  heap_test::node b{};
  gcheap::root<heap_test::node> first(list, &a);
  gcheap::root<heap_test::node> second(list);
  second = first;
  CHECK(second.get() == &a);
  list.each([&](void** slot) { *slot = &b; });
  CHECK(first.get() == &b);
  CHECK(second.get() == &b);
}

}  // namespace
