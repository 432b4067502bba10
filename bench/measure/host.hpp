// The machine that figures were measured on, as a reader would want it named.
#ifndef GCBENCH_MEASURE_HOST_HPP
#define GCBENCH_MEASURE_HOST_HPP

#include <fstream>
#include <string>
#include <thread>

namespace gcbench {

struct host {
  std::string processor = "unknown processor";
  unsigned processors = std::thread::hardware_concurrency();
#if defined(__clang__)
  std::string compiler = "Clang " __clang_version__;
#else
  std::string compiler = "GCC " __VERSION__;
#endif
};

inline host this_host() {
  host named;
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    const std::size_t colon = line.find(": ");
    if (!line.starts_with("model name") || colon == std::string::npos) continue;
    named.processor = line.substr(colon + 2);
    break;
  }
  return named;
}

}  // namespace gcbench

#endif
