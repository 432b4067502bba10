#include "search.hpp"

#include <bit>
#include <cstring>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace gcheap {
namespace {

std::size_t find_scalar(void** first, std::size_t count, gcbarrier::address_range wanted, void*** hits) {
  std::size_t found = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const auto value = reinterpret_cast<std::uintptr_t>(first[i]);
    hits[found] = first + i;
    found += value - wanted.begin < wanted.bytes() ? 1 : 0;  // unsigned: one test for both ends
  }
  return found;
}

#if defined(__x86_64__)

std::size_t append(void** first, unsigned lanes, void*** hits, std::size_t found) {
  for (; lanes != 0; lanes &= lanes - 1) hits[found++] = first + std::countr_zero(lanes);
  return found;
}

// AVX2 compares signed numbers only, so both sides are shifted by 2^63. Hits are rare: two vectors share a
// branch.
__attribute__((target("avx2"))) std::size_t find_avx2(void** first, std::size_t count,
                                                      gcbarrier::address_range wanted, void*** hits) {
  constexpr std::uint64_t sign = std::uint64_t{1} << 63;
  const __m256i origin = _mm256_set1_epi64x(std::bit_cast<long long>(wanted.begin + sign));
  const __m256i size = _mm256_set1_epi64x(std::bit_cast<long long>(wanted.bytes() - sign));
  std::size_t found = 0;
  std::size_t i = 0;
  for (; i + 8 <= count; i += 8) {
    const __m256i low = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(first + i));
    const __m256i high = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(first + i + 4));
    const __m256i in_low = _mm256_cmpgt_epi64(size, _mm256_sub_epi64(low, origin));
    const __m256i in_high = _mm256_cmpgt_epi64(size, _mm256_sub_epi64(high, origin));
    const __m256i any = _mm256_or_si256(in_low, in_high);
    if (_mm256_testz_si256(any, any) != 0) continue;
    const auto lanes = static_cast<unsigned>(_mm256_movemask_pd(_mm256_castsi256_pd(in_low)) |
                                             _mm256_movemask_pd(_mm256_castsi256_pd(in_high)) << 4);
    found = append(first + i, lanes, hits, found);
  }
  return found + find_scalar(first + i, count - i, wanted, hits + found);
}

__attribute__((target("avx512f"))) std::size_t find_avx512(void** first, std::size_t count,
                                                           gcbarrier::address_range wanted, void*** hits) {
  const __m512i origin = _mm512_set1_epi64(static_cast<long long>(wanted.begin));
  const __m512i size = _mm512_set1_epi64(static_cast<long long>(wanted.bytes()));
  std::size_t found = 0;
  std::size_t i = 0;
  for (; i + 8 <= count; i += 8) {
    const __m512i words = _mm512_loadu_si512(first + i);
    const __mmask8 lanes = _mm512_cmplt_epu64_mask(_mm512_sub_epi64(words, origin), size);
    if (lanes != 0) found = append(first + i, lanes, hits, found);
  }
  return found + find_scalar(first + i, count - i, wanted, hits + found);
}

#endif

std::vector<search_method> available() {
  std::vector<search_method> methods{{"scalar", find_scalar}};
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2") != 0) methods.push_back({"avx2", find_avx2});
  if (__builtin_cpu_supports("avx512f") != 0) methods.push_back({"avx512", find_avx512});
#endif
  return methods;
}

}  // namespace

std::span<const search_method> search_methods() {
  static const std::vector<search_method> methods = available();
  return methods;
}

}  // namespace gcheap
