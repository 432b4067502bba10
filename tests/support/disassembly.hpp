// The machine code of an object file, function by function, as objdump writes it.
#ifndef GCBARRIER_TESTS_SUPPORT_DISASSEMBLY_HPP
#define GCBARRIER_TESTS_SUPPORT_DISASSEMBLY_HPP

#include <doctest/doctest.h>

#include <array>
#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace support {

// Instructions in words, without addresses: a jump's target is told by its distance from the function's
// start. Without the padding behind the function.
inline std::map<std::string, std::vector<std::string>> disassembly(const std::string& object_file) {
  struct closer {
    void operator()(std::FILE* pipe) const { ::pclose(pipe); }
  };
  const std::string command =
      "objdump --disassemble --no-show-raw-insn --no-addresses --wide '" + object_file + "'";
  const std::unique_ptr<std::FILE, closer> pipe(::popen(command.c_str(), "r"));
  REQUIRE(pipe != nullptr);
  std::map<std::string, std::vector<std::string>> functions;
  std::string name;
  std::array<char, 1024> buffer{};
  while (std::fgets(buffer.data(), buffer.size(), pipe.get()) != nullptr) {
    std::string line(buffer.data());
    line.erase(line.find_last_not_of(" \n") + 1);
    if (line.starts_with('<') && line.ends_with(">:")) {
      name = line.substr(1, line.size() - 3);
    } else if (line.starts_with('\t') && !name.empty()) {
      if (const std::size_t target = line.find('<' + name); target != std::string::npos) {
        line.erase(target + 1, name.size());
      }
      functions[name].push_back(line.substr(1));
    }
  }
  const auto is_padding = [](const std::string& one) {
    return one.find("nop") != std::string::npos || one.starts_with("xchg   %ax,%ax") || one == "int3";
  };
  for (auto& [function, code] : functions) {
    while (!code.empty() && is_padding(code.back())) code.pop_back();
  }
  return functions;
}

}  // namespace support

#endif
