#include <heap/space.hpp>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "support.hpp"

namespace {

using gcbarrier::address_range;
using gcheap::object;
using heap_test::blob;

constexpr std::size_t mib = std::size_t{1} << 20;

struct fixture {
  std::unique_ptr<gcheap::space> space = std::move(*gcheap::space::open(mib, 96 * mib));
  std::vector<address_range> grown;

  fixture() {
    space->old->on_growth([this](address_range range, std::size_t reserve) {
      CHECK((range.end + reserve) % gcheap::arena_step == 0);
      grown.push_back(range);
      return gcbarrier::error{};
    });
  }
  [[nodiscard]] std::size_t announced() const {
    std::size_t sum = 0;
    for (const address_range range : grown) sum += range.bytes();
    return sum;
  }
  object* add(std::size_t bytes) const {
    object* const o = space->old->allocate(blob::kind, bytes);
    if (o == nullptr) return nullptr;
    o->set_kind(blob::kind);
    reinterpret_cast<gcheap::variable_object*>(o)->length = bytes - sizeof(gcheap::variable_object);
    return o;
  }
};

TEST_CASE_FIXTURE(fixture, "the nursery lies just below an aligned old space") {
  const address_range young = space->young.range();
  const address_range old = space->old->range();
  CHECK(young.bytes() == mib);
  CHECK(young.end == old.begin);
  CHECK(old.bytes() == 96 * mib);
  CHECK(old.aligned_to(gcheap::arena_step));
  CHECK(space->range() == address_range{young.begin, old.end});
}

TEST_CASE_FIXTURE(fixture, "every block lies in memory that was announced before, in whole steps") {
  for (int i = 0; i < 3000; ++i) {
    const object* const o = add(i % 50 == 0 ? 300000 : 16 + 16 * (i % 100));
    REQUIRE(o != nullptr);
    std::size_t missing = gcheap::bytes_of(o);
    for (const address_range range : grown) {
      REQUIRE(range.aligned_to(gcheap::growth_step));
      missing -= range.intersection(address_range(o, gcheap::bytes_of(o))).bytes();
    }
    REQUIRE(missing == 0);
    REQUIRE(reinterpret_cast<std::uintptr_t>(o) % gcheap::object_alignment == 0);
    REQUIRE(space->map.is_object(o));
  }
  CHECK(space->old->held_bytes() == announced());
  // No more than what is used: mimalloc has at most one open page of each of some hundred sizes.
  CHECK(announced() < space->old->live_bytes() + 8 * mib);
}

TEST_CASE_FIXTURE(fixture, "a block of several steps announces all of them") {
  object* const o = add(40 * mib);
  REQUIRE(o != nullptr);
  CHECK(announced() >= 40 * mib);
  CHECK(announced() <= 41 * mib);
  CHECK(space->map.find(reinterpret_cast<char*>(o) + 39 * mib) == o);
}

TEST_CASE_FIXTURE(fixture, "a sweep frees what is not marked, for use again, and clears the marks") {
  std::vector<object*> objects;
  while (object* const o = add(64 << 10)) objects.push_back(o);
  REQUIRE(objects.size() > 1000);
  CHECK(add(64 << 10) == nullptr);
  const std::size_t full = space->old->live_bytes();
  for (std::size_t i = 0; i < objects.size(); i += 2) space->marks.set(objects[i]);
  const std::size_t freed = space->old->sweep(space->marks);
  CHECK(freed == objects.size() / 2 * (64 << 10));
  CHECK(space->old->live_bytes() == full - freed);
  for (std::size_t i = 0; i < objects.size(); ++i) {
    REQUIRE(space->map.is_object(objects[i]) == (i % 2 == 0));
    REQUIRE_FALSE(space->marks.test(objects[i]));
  }
  for (std::size_t i = 0; i < objects.size() / 2; ++i) REQUIRE(add(64 << 10) != nullptr);
}

TEST_CASE_FIXTURE(fixture, "a sweep announces memory in which many pages hold dead objects, and no other") {
  std::vector<object*> objects(8192);
  for (object*& one : objects) one = add(1008);  // 8 MiB in all
  std::vector<address_range> announced;
  space->old->on_frees([&](address_range range) { announced.push_back(range); });
  const auto in_announced = [&](const object* o) {
    return std::any_of(announced.begin(), announced.end(),
                       [&](address_range one) { return one.contains(o); });
  };
  const auto sweep_all_but = [&](auto dies) {
    announced.clear();
    for (object* const o : objects) {
      if (!dies(o)) space->marks.set(o);
    }
    const auto dead =
        std::stable_partition(objects.begin(), objects.end(), [&](object* o) { return !dies(o); });
    const auto missed = std::count_if(dead, objects.end(), [&](object* o) { return !in_announced(o); });
    (void)space->old->sweep(space->marks);
    const auto count = objects.end() - dead;
    objects.erase(dead, objects.end());
    return std::pair(missed, count);
  };
  const auto number = [](const object* o) { return reinterpret_cast<std::uintptr_t>(o) / 4096; };
  (void)sweep_all_but([&](const object*) { return false; });
  CHECK(announced.empty());
  (void)sweep_all_but([&](const object* o) { return number(o) % 10 == 0; });
  CHECK(announced.empty());
  // What is announced is told before it is freed, and the ends of the memory may be too thinly used.
  std::size_t told = 0;
  space->old->on_frees([&](address_range range) {
    announced.push_back(range);
    for (object* const o : objects) told += range.contains(o) && space->map.is_object(o) ? 1 : 0;
  });
  (void)sweep_all_but([&](const object* o) { return number(o) % 2 == 0; });
  CHECK(announced.size() >= 6);
  CHECK(told >= 5 * mib / 1024);
}

TEST_CASE("growth that the barrier refuses is no memory, and its error is kept") {
  auto space = std::move(*gcheap::space::open(mib, 96 * mib));
  space->old->on_growth([](address_range range, std::size_t) {
    return gcbarrier::error{"UFFDIO_REGISTER", ENOSPC, range, ""};
  });
  CHECK(space->old->allocate(blob::kind, 64) == nullptr);
  CHECK(space->old->growth_error().code == ENOSPC);
  CHECK(space->old->live_bytes() == 0);
}

TEST_CASE("more heaps than mimalloc has arenas can come and go, each with clean memory") {
  for (int i = 0; i < 200; ++i) {
    auto space = std::move(*gcheap::space::open(mib, 96 * mib));
    object* const o = space->old->allocate_zeroed(blob::kind, mib);
    REQUIRE(o != nullptr);
    const auto* const words = reinterpret_cast<const std::uint64_t*>(o);
    for (std::size_t at = 0; at < mib / 8; at += 509) REQUIRE(words[at] == 0);
    std::memset(static_cast<void*>(o), 0xff, mib);
    auto* const young = static_cast<unsigned char*>(space->young.allocate(4096));
    REQUIRE(young[100] == 0);
    std::memset(young, 0xff, 4096);
  }
}

TEST_CASE("absurd sizes are errors") {
  CHECK(gcheap::space::open(mib, 0).error().code == EINVAL);
  CHECK(gcheap::space::open(0, mib).error().code == EINVAL);
  CHECK(gcheap::space::open(mib, ~std::size_t{0}).error().code == EINVAL);
  CHECK(gcheap::space::open(~std::size_t{0}, mib).error().code == EINVAL);
}

TEST_CASE("with an arena for scattered types their objects lie there, and all others before it") {
  constexpr gcheap::type scattered =
      gcheap::describe_scattered<gcheap::variable_object>("scattered", gcheap::tail::bytes);
  const auto space = std::move(*gcheap::space::open(mib, 32 * mib, true));
  const address_range tail = space->old->apart_range();
  CHECK(tail.bytes() == 32 * mib);
  CHECK(tail.end == space->old->range().end);
  CHECK(space->old->range().bytes() == 64 * mib);
  for (int i = 0; i < 1000; ++i) {
    CHECK(tail.contains(space->old->allocate(scattered, 4000)));
    const object* const other = space->old->allocate(blob::kind, 4000);
    CHECK(space->old->range().contains(other));
    CHECK_FALSE(tail.contains(other));
  }
  CHECK(space->old->live_bytes() == 2000 * 4000);
  CHECK(space->old->held_bytes() <= space->old->live_bytes() + 2 * mib);
}

}  // namespace
