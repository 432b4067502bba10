// Measures the cost model on this machine: a few milliseconds on a scratch mapping, through the mechanism.
#ifndef GCBARRIER_POLICY_CALIBRATION_HPP
#define GCBARRIER_POLICY_CALIBRATION_HPP

#include <time.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "../address_range.hpp"
#include "../error.hpp"
#include "../kernel/mapped_array.hpp"
#include "../kernel/system_calls.hpp"
#include "../mechanism/mechanism.hpp"
#include "../run_list.hpp"
#include "../version.hpp"
#include "costs.hpp"

GCBARRIER_NAMESPACE_BEGIN

// Stands for the collector's search of memory for pointers into its nursery, a vector compare of every word.
// It is there to be timed. Where the collector's own search is of another speed, give that to calibrate().
struct plain_search {
  typedef std::uint32_t lanes __attribute__((vector_size(16), may_alias));  // NOLINT(modernize-use-using)
  typedef std::int32_t truth __attribute__((vector_size(16)));              // NOLINT(modernize-use-using)
  truth hits{};

  void operator()(address_range range) {
    const lanes nursery = lanes{} + 0x5a5a5a5a;
    const auto* const last = reinterpret_cast<const lanes*>(range.end);
    truth found{};
    for (const auto* at = reinterpret_cast<const lanes*>(range.begin); at != last; ++at)
      found |= *at == nursery;
    hits |= found;
  }
};

// Puts the memory out of the processor's caches, as an old space is when a collection comes to it.
inline void make_cold(address_range range) {
#if defined(__x86_64__)
  for (std::uintptr_t line = range.begin; line < range.end; line += 64) {
    __builtin_ia32_clflush(reinterpret_cast<const void*>(line));
  }
  __builtin_ia32_mfence();
#elif defined(__aarch64__)
  for (std::uintptr_t line = range.begin; line < range.end; line += 16) {
    asm volatile("dc civac, %0" : : "r"(line) : "memory");
  }
  asm volatile("dsb ish" : : : "memory");
#else
  (void)range;
#endif
}

// Usually 2 ms, half of it for fresh memory: it stops at the first round that ends after one. Takes the best
// of the rounds, as what disturbs a measurement only adds to it. Errors: of the mapping and the mechanism;
// nothing stays attached or mapped after one. `search(address_range)` is called with one page at a time.
template <mechanism M, class Search>
result<cost_model> calibrate(M& m, kernel::system_calls calls, Search& search) {
  constexpr std::int64_t pages = 256;  // as much as most second-level caches hold
  constexpr std::int64_t stride = 4;   // every so many of them is written
  constexpr std::int64_t singles = 16;
  const std::size_t page = kernel::page_size();

  kernel::mapped_array<unsigned char> memory(calls);
  run_list runs(calls);
  if (const error why = memory.reserve(pages * page)) return why;
  if (const error why = runs.reserve(pages + 1)) return why;
  volatile unsigned char* const bytes = memory.data();
  const address_range all(memory.data(), pages * page);
  (void)calls.call(SYS_madvise, all.begin, all.bytes(), MADV_NOHUGEPAGE);  // a huge page has other costs
  for (std::size_t i = 0; i < pages; ++i) bytes[i * page] = 1;
  if (const error why = m.attach(all)) return why;

  const auto page_at = [&](std::size_t i) {
    return address_range{all.begin + i * page, all.begin + (i + 1) * page};
  };
  const auto now = [] {
    timespec time{};
    ::clock_gettime(CLOCK_MONOTONIC, &time);
    return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
  };
  error problem;
  // The best time of each step so far, in picoseconds.
  struct timed_step {
    std::int64_t best = std::numeric_limits<std::int64_t>::max();
  };
  const auto time = [&](timed_step& step, auto&& act) {
    const std::int64_t start = now();
    if (const error why = act()) problem = why;
    step.best = std::min(step.best, (now() - start) * 1000);
  };
  const auto write = [&]() -> error {
    for (std::size_t i = 0; i < pages; i += stride) {
      *reinterpret_cast<volatile unsigned char*>(page_at(i * 101 % pages).begin) = 2;
    }
    return {};
  };
  const auto read = [&] {
    runs.clear();
    return m.read(all, runs);
  };
  const auto protect = [&] { return m.protect(all); };
  const auto protect_singly = [&]() -> error {
    error why;
    for (std::size_t i = 0; i < singles && !why; ++i) {
      why = m.protect(page_at(i));
    }
    return why;
  };
  const auto find = [&]() -> error {
    // Not in address order, in which the processor would fetch the next page ahead.
    for (std::size_t i = 0; i < pages; ++i) search(page_at(i * 101 % pages));
    return {};
  };

  timed_step first_protect, protect_clean, protect_part, singly, read_clean, read_part, faults, stores, found;
  const std::int64_t begun = now();
  for (int round = 0; !problem && (round < 3 || now() - begun < 1'000'000); ++round) {
    time(first_protect, protect);
    time(read_clean, read);
    time(protect_clean, protect);
    time(singly, protect_singly);
    make_cold(all);
    time(faults, write);
    time(stores, write);
    time(read_part, read);
    make_cold(all);
    time(protect_part, protect);  // which also flushes the address translations
    time(found, find);
  }
  const error detached = m.detach(all);
  if (problem) return problem;
  if (detached) return detached;

  constexpr std::int64_t written = pages / stride;
  const std::int64_t one_page_call = singly.best / singles;
  cost_model measured;
  measured.fault = (faults.best - stores.best) / written;
  measured.arm_page = (protect_part.best - protect_clean.best) / written;
  measured.pass_page = (protect_clean.best - one_page_call) / pages;
  measured.arm_call = one_page_call - measured.pass_page;
  measured.report_page = (read_part.best - read_clean.best) / written;
  measured.search_page = found.best / pages;
  return measured.sane();
}

template <mechanism M>
result<cost_model> calibrate(M& m, kernel::system_calls calls = {}) {
  plain_search search;
  return calibrate(m, calls, search);
}

GCBARRIER_NAMESPACE_END

#endif
