// A process at the end of its address space.
#ifndef GCBARRIER_TESTS_BARRIER_NO_MEMORY_HPP
#define GCBARRIER_TESTS_BARRIER_NO_MEMORY_HPP

#include <sys/resource.h>

// Calls f() while every mmap fails.
template <class F>
auto without_memory(F f) {
  rlimit before{};
  ::getrlimit(RLIMIT_AS, &before);
  const rlimit none{1, before.rlim_max};
  ::setrlimit(RLIMIT_AS, &none);
  const auto answer = f();
  ::setrlimit(RLIMIT_AS, &before);
  return answer;
}

#endif
