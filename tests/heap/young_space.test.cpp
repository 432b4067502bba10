#include <heap/young_space.hpp>

#include <heap/reservation.hpp>

#include <cstring>
#include <set>
#include <utility>
#include <vector>

#include "support.hpp"

namespace {

using gcheap::object;
using gcheap::young_space;
using heap_test::blob;

constexpr std::size_t page = young_space::page;

// An object of so many bytes in all.
object* put(void* memory, std::size_t bytes) {
  auto* const o = static_cast<object*>(memory);
  o->set_kind(blob::kind);
  reinterpret_cast<gcheap::variable_object*>(o)->length = bytes - sizeof(gcheap::variable_object);
  return o;
}

struct fixture {
  gcheap::reservation memory = std::move(*gcheap::reservation::make(16 * page, page));
  young_space space;
  explicit fixture(std::size_t survivor_pages) : space(memory.range(), survivor_pages * page) {}

  std::vector<object*> fill(std::size_t bytes) {
    std::vector<object*> made;
    while (void* const fresh = space.allocate(bytes)) made.push_back(put(fresh, bytes));
    return made;
  }
  [[nodiscard]] std::multiset<object*> objects() const {
    std::multiset<object*> seen;
    for (const gcbarrier::address_range run : space.runs()) {
      young_space::each_object_in(run, [&](object* o) {
        if (!is_free(o)) seen.insert(o);
      });
    }
    return seen;
  }
};

TEST_CASE("young space: all of it is handed out, in order, and again after a collection") {
  fixture f(0);
  for (int cycle = 0; cycle < 3; ++cycle) {
    const std::vector<object*> made = f.fill(64);
    CHECK(made.size() == 16 * page / 64);
    CHECK(f.objects() == std::multiset<object*>(made.begin(), made.end()));
    CHECK(std::is_sorted(made.begin(), made.end()));
    CHECK(f.space.allocate(16) == nullptr);
    f.space.end_evacuation({});
    CHECK(f.objects().empty());
  }
}

TEST_CASE("young space: the part for survivors is not for births, and they are found again") {
  fixture f(4);
  const std::vector<object*> made = f.fill(64);
  CHECK(made.size() == 12 * page / 64);
  std::multiset<object*> copies;
  for (int i = 0; i < 70; ++i) {
    object* const copy = put(f.space.allocate_survivor(64), 64);
    CHECK(f.space.is_survivor(copy));
    copies.insert(copy);
  }
  CHECK_FALSE(f.space.is_survivor(made.front()));
  CHECK_FALSE(f.space.is_survivor(made.back()));
  f.space.end_evacuation({});
  CHECK(f.objects() == copies);
  CHECK_FALSE(f.space.is_survivor(*copies.begin()));  // no longer new
  CHECK(f.fill(64).size() == 10 * page / 64);         // 2 pages of survivors, 4 for the next ones
  std::size_t room = 0;
  while (f.space.allocate_survivor(64) != nullptr) ++room;
  CHECK(room == 4 * page / 64);
}

TEST_CASE("young space: what stays keeps its pages, with the rest of them free memory") {
  fixture f(2);
  const std::vector<object*> made = f.fill(48);
  // Alone in its page, neighbours, one across two pages, the last.
  const std::vector<object*> staying{made[10], made[11], made[page / 48], made[400], made.back()};
  std::vector<std::vector<char>> before;
  for (const object* o : staying) {
    before.emplace_back(reinterpret_cast<const char*>(o), reinterpret_cast<const char*>(o) + 48);
  }
  f.space.end_evacuation(staying);
  CHECK(f.objects() == std::multiset<object*>(staying.begin(), staying.end()));
  for (std::size_t i = 0; i < staying.size(); ++i) {
    CHECK(std::memcmp(staying[i], before[i].data(), 48) == 0);
  }
  for (object* const o : f.fill(48)) {
    for (object* const kept : staying) {
      REQUIRE_FALSE(gcbarrier::address_range(o, 48).overlaps({kept, 48}));
    }
  }
  f.space.end_evacuation({});
  CHECK(f.fill(64).size() == 14 * page / 64);
}

TEST_CASE("young space: what does not fit into the rest of a run is put into the next") {
  fixture f(0);
  std::vector<object*> made = f.fill(1024);
  f.space.end_evacuation(std::vector<object*>{made[4 * 4]});  // the fifth page
  CHECK(f.space.allocate(3 * page) != nullptr);
  void* const large = f.space.allocate(8 * page);  // not in the page that is left before the fifth
  REQUIRE(large != nullptr);
  CHECK(large > made[4 * 4]);
}

}  // namespace
