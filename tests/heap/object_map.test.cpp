#include <heap/object_map.hpp>

#include <algorithm>
#include <random>
#include <set>
#include <vector>

#include "support.hpp"

namespace {

using gcheap::object;
using heap_test::blob;

constexpr std::size_t size = std::size_t{1} << 20;

struct fixture {
  gcbarrier::result<gcheap::reservation> memory = gcheap::reservation::make(size, 4096);
  gcbarrier::result<gcheap::object_map> map = gcheap::object_map::make(memory->range());
  gcbarrier::result<gcheap::bitmap> live = gcheap::bitmap::make(memory->range());

  char* at(std::size_t offset) { return static_cast<char*>(memory->data()) + offset; }
  object* add(std::size_t offset, std::size_t bytes) {
    auto* const o = reinterpret_cast<gcheap::variable_object*>(at(offset));
    o->header.set_kind(blob::kind);
    o->length = bytes - sizeof *o;
    map->add(&o->header);
    return &o->header;
  }
};

TEST_CASE_FIXTURE(fixture, "an address finds its object, and nothing in the gaps") {
  object* const first = add(64, 32);
  object* const large = add(4096, 512 << 10);
  CHECK(map->find(at(0)) == nullptr);
  CHECK(map->find(at(63)) == nullptr);
  CHECK(map->find(at(64)) == first);
  CHECK(map->find(at(95)) == first);
  CHECK(map->find(at(96)) == nullptr);
  CHECK(map->find(at(4096)) == large);
  CHECK(map->find(at(4096 + (512 << 10) - 1)) == large);
  CHECK(map->find(at(4096 + (512 << 10))) == nullptr);
  CHECK(map->find(at(size - 1)) == nullptr);
  CHECK(map->find(at(0) - 1) == nullptr);
  CHECK(map->find(at(size)) == nullptr);
}

TEST_CASE_FIXTURE(fixture, "any layout, and any sweep of it, answers as a sorted set does") {
  std::mt19937 random(11);
  std::set<object*> model;
  for (int round = 0; round < 40; ++round) {
    std::size_t top = model.empty() ? 0 : reinterpret_cast<char*>(*model.rbegin()) - at(0);
    if (!model.empty()) top += gcheap::bytes_of(*model.rbegin());
    while (top + 20000 < size * static_cast<std::size_t>(round + 1) / 40) {
      top += 16 * (random() % 3 == 0 ? random() % 400 : 0);
      const std::size_t bytes = 16 * (1 + (random() % 8 == 0 ? random() % 500 : random() % 6));
      model.insert(add(top, bytes));
      top += bytes;
    }
    std::vector<object*> seen;
    map->each([&](object* o) { seen.push_back(o); });
    REQUIRE(std::equal(seen.begin(), seen.end(), model.begin(), model.end()));
    for (int probe = 0; probe < 2000; ++probe) {
      char* const p = at(random() % size);
      auto next = model.upper_bound(reinterpret_cast<object*>(p));
      object* const before = next == model.begin() ? nullptr : *std::prev(next);
      const bool inside = before != nullptr && p < reinterpret_cast<char*>(before) + gcheap::bytes_of(before);
      REQUIRE(map->find(p) == (inside ? before : nullptr));
    }
    std::set<object*> dead;
    const unsigned survivors = random() % 4;
    for (object* const o : model) {
      if (random() % 4 < survivors) {
        live->set(o);
      } else {
        dead.insert(o);
      }
    }
    std::vector<object*> freed;
    for (std::size_t chunk = 0; chunk < map->chunk_count(); ++chunk) {
      map->retain_only(*live, chunk, [&](object* o) { freed.push_back(o); });
    }
    REQUIRE(std::equal(freed.begin(), freed.end(), dead.begin(), dead.end()));
    for (object* const o : dead) model.erase(o);
    for (object* const o : model) REQUIRE_FALSE(live->test(o));
  }
}

}  // namespace
