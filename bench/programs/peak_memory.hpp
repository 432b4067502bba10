// The most memory that this process has held at once, since it was last asked to forget.
#ifndef GCBENCH_PROGRAMS_PEAK_MEMORY_HPP
#define GCBENCH_PROGRAMS_PEAK_MEMORY_HPP

#include <fstream>
#include <string>

namespace gcbench {

// "5" resets the high-water mark and nothing else (man 5 proc). Where it cannot be written, the mark is of
// the whole run.
inline void reset_peak_memory() {
  std::ofstream("/proc/self/clear_refs") << "5\n";
}

// MiB, or 0 where the kernel does not say.
inline double peak_memory_mib() {
  std::ifstream status("/proc/self/status");
  std::string name;
  while (status >> name) {
    double kib = 0;
    if (name == "VmHWM:" && status >> kib) return kib / 1024;
    std::getline(status, name);
  }
  return 0;
}

}  // namespace gcbench

#endif
