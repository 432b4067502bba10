// What a piece of a program takes of the processors.
#ifndef GCBENCH_MEASURE_PROCESSOR_TIME_HPP
#define GCBENCH_MEASURE_PROCESSOR_TIME_HPP

#include <time.h>

namespace gcbench {

// Nanoseconds of every thread while f() runs. Faults and system calls are in it; the time of other programs,
// which a virtual machine's wall clock is full of, is not.
template <class F>
double processor_time_of(F f) {
  const auto now = [] {
    timespec time{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) * 1e9 + static_cast<double>(time.tv_nsec);
  };
  const double start = now();
  f();
  return now() - start;
}

}  // namespace gcbench

#endif
