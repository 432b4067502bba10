#include <heap/search.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <random>
#include <string>
#include <vector>

namespace {

using gcbarrier::address_range;

std::vector<void**> hits(const gcheap::search_method& method, std::vector<void*>& words, std::size_t from,
                         address_range wanted) {
  std::vector<void**> found;
  gcheap::search(method.find, address_range(words.data() + from, (words.size() - from) * sizeof(void*)),
                 wanted, [&](void** slot) { found.push_back(slot); });
  return found;
}

std::vector<void**> expected(std::vector<void*>& words, std::size_t from, address_range wanted) {
  std::vector<void**> found;
  for (std::size_t i = from; i < words.size(); ++i) {
    if (wanted.contains(words[i])) found.push_back(&words[i]);
  }
  return found;
}

TEST_CASE("every search method finds the same words, at every length, alignment and density") {
  std::mt19937_64 random(3);
  const address_range ranges[] = {{0x7f0000000000, 0x7f0000800000},           // as in a process
                                  {0x1000, 0x2000},                           // low
                                  {0x7fffffffffff0000, 0x8000000000010000},   // across the sign bit
                                  {0xffffffffffff0000, 0xfffffffffffffff0}};  // at the very end
  for (const gcheap::search_method& method : gcheap::search_methods()) {
    CAPTURE(std::string(method.name));
    for (const address_range wanted : ranges) {
      for (const std::uint64_t density : {1U, 2U, 50U, 5000U}) {
        std::vector<void*> words(1 + random() % 3000);
        for (void*& word : words) {
          std::uint64_t value = random();
          if (random() % density == 0) value = wanted.begin + value % wanted.bytes();
          if (random() % 4 == 0) {  // the ends, where a comparison goes wrong first
            const std::uint64_t ends[] = {wanted.begin - 1, wanted.begin, wanted.end - 1, wanted.end, 0,
                                          ~std::uint64_t{0}};
            value = ends[random() % 6];
          }
          word = reinterpret_cast<void*>(value);
        }
        const std::size_t from = random() % words.size();
        REQUIRE(hits(method, words, from, wanted) == expected(words, from, wanted));
      }
    }
  }
}

TEST_CASE("every search method finds a single hit wherever it lies") {
  const address_range wanted{0x7f0000000000, 0x7f0000800000};
  for (const gcheap::search_method& method : gcheap::search_methods()) {
    CAPTURE(std::string(method.name));
    std::vector<void*> words(600, nullptr);
    for (void*& word : words) {
      word = reinterpret_cast<void*>(wanted.end - 8);
      REQUIRE(hits(method, words, 0, wanted) == std::vector<void**>{&word});
      word = nullptr;
    }
  }
}

TEST_CASE("the portable search is there, and the best is another where the processor has AVX2") {
  CHECK(std::string(gcheap::search_methods().front().name) == "scalar");
#if defined(__x86_64__)
  CHECK((gcheap::search_methods().size() > 1) == (__builtin_cpu_supports("avx2") != 0));
#endif
}

}  // namespace
