// The library's own tables: from mmap, given back, and intact when mmap fails.
#include <doctest/doctest.h>

#include <cerrno>
#include <gcbarrier/kernel/mapped_array.hpp>
#include <map>
#include <memory>
#include <support/faked_calls.hpp>
#include <utility>

using gcbarrier::kernel::mapped_array;
using gcbarrier::kernel::page_size;
using support::faked_calls;

namespace {

// Keeps account of what is mapped, and fails when told to.
struct accounted_memory {
  std::map<long, long> mapped;
  int maps = 0;
  bool fails = false;
  faked_calls fake{[this](long number, faked_calls::argument_list a) -> std::optional<long> {
    if (number == SYS_mmap) {
      if (fails) return -ENOMEM;
      ++maps;
      const long at = faked_calls::real(number, a);
      mapped[at] = a[1];
      return at;
    }
    if (number == SYS_munmap) {
      CHECK(mapped[a[0]] == a[1]);
      mapped.erase(a[0]);
    }
    return std::nullopt;
  }};
};

using counted = std::shared_ptr<int>;

}  // namespace

TEST_CASE("mapped_array: grows, keeps its elements, gives everything back") {
  accounted_memory memory;
  {
    mapped_array<int> numbers(memory.fake.calls());
    CHECK(numbers.empty());
    for (int i = 0; i < 5000; ++i) {
      REQUIRE_FALSE(numbers.reserve(static_cast<std::size_t>(i) + 1));
      numbers.push_back(i);
    }
    CHECK(numbers.size() == 5000);
    for (int i = 0; i < 5000; ++i) REQUIRE(numbers[static_cast<std::size_t>(i)] == i);
    CHECK(numbers.back() == 4999);
    CHECK(memory.mapped.size() == 1);
    CHECK(numbers.items().size() == 5000);
  }
  CHECK(memory.mapped.empty());
}

TEST_CASE("mapped_array: within its capacity, which is whole pages, it asks for nothing") {
  accounted_memory memory;
  mapped_array<std::uint64_t> words(memory.fake.calls());
  REQUIRE_FALSE(words.reserve(1));
  CHECK(words.capacity() == page_size() / 8);
  while (words.size() < words.capacity()) words.push_back(1);
  words.truncate(3);
  words.resize(words.capacity());
  CHECK(words[2] == 1);
  CHECK(words[3] == 0);
  REQUIRE_FALSE(words.reserve(words.capacity()));
  CHECK(memory.maps == 1);
}

TEST_CASE("mapped_array: inserting and erasing keep the order, and no element leaks or dies twice") {
  accounted_memory memory;
  const auto element = std::make_shared<int>(0);
  {
    mapped_array<counted> array(memory.fake.calls());
    REQUIRE_FALSE(array.reserve(10));
    for (int i = 0; i < 4; ++i) array.insert(0, std::make_shared<int>(i));
    array.insert(2, element);
    array.insert(array.size(), element);
    REQUIRE(array.size() == 6);
    CHECK(*array[0] == 3);
    CHECK(*array[1] == 2);
    CHECK(array[2] == element);
    CHECK(*array[3] == 1);
    CHECK(*array[4] == 0);
    CHECK(array[5] == element);
    CHECK(element.use_count() == 3);
    array.erase(2);
    CHECK(*array[2] == 1);
    CHECK(element.use_count() == 2);
    REQUIRE_FALSE(array.reserve(2000));  // moves
    CHECK(element.use_count() == 2);
    array.erase(array.size() - 1);
    CHECK(element.use_count() == 1);
    array.push_back(element);
  }
  CHECK(element.use_count() == 1);
  CHECK(memory.mapped.empty());
}

TEST_CASE("mapped_array: a failing mmap is told, and changes nothing") {
  accounted_memory memory;
  mapped_array<int> numbers(memory.fake.calls());
  REQUIRE_FALSE(numbers.reserve(10));
  numbers.push_back(42);
  memory.fails = true;
  const gcbarrier::error why = numbers.reserve(100000);
  CHECK(why.code == ENOMEM);
  CHECK(numbers.size() == 1);
  CHECK(numbers[0] == 42);
  memory.fails = false;
  CHECK_FALSE(numbers.reserve(100000));
  CHECK(numbers[0] == 42);
}

TEST_CASE("mapped_array: moved, it is given back by its new owner through its own calls") {
  accounted_memory memory;
  {
    mapped_array<counted> first(memory.fake.calls());
    REQUIRE_FALSE(first.reserve(3));
    first.push_back(std::make_shared<int>(1));
    mapped_array<counted> second(std::move(first));
    mapped_array<counted> third;
    third = std::move(second);
    REQUIRE(third.size() == 1);
    CHECK(*third[0] == 1);
    CHECK(memory.mapped.size() == 1);
  }
  CHECK(memory.mapped.empty());
}
