// The claim of the whole project, in machine code: a pointer store in the tracked heap is the plain store.
#include <doctest/doctest.h>

#include <array>
#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace {

// Function name -> its instructions up to the first return, as objdump writes them.
std::map<std::string, std::vector<std::string>> disassembly(const std::string& object_file) {
  struct closer {
    void operator()(std::FILE* pipe) const { ::pclose(pipe); }
  };
  const std::string command = "objdump --disassemble --no-show-raw-insn --wide '" + object_file + "'";
  const std::unique_ptr<std::FILE, closer> pipe(::popen(command.c_str(), "r"));
  REQUIRE(pipe != nullptr);
  std::map<std::string, std::vector<std::string>> functions;
  std::vector<std::string>* current = nullptr;
  std::array<char, 1024> buffer{};
  while (std::fgets(buffer.data(), buffer.size(), pipe.get()) != nullptr) {
    std::string line(buffer.data());
    line.erase(line.find_last_not_of(" \n") + 1);
    const std::size_t open = line.find('<');
    const std::size_t tab = line.find('\t');
    if (line.ends_with(">:") && open != std::string::npos) {
      current = &functions[line.substr(open + 1, line.size() - open - 3)];
    } else if (current != nullptr && tab != std::string::npos) {
      current->push_back(line.substr(tab + 1));
      if (current->back().starts_with("ret")) current = nullptr;
    }
  }
  return functions;
}

TEST_CASE("a pointer store in the tracked heap compiles to the plain store") {
  auto code = disassembly(STORE_CODE_OBJECT);
  REQUIRE(code["store_plain"].size() >= 2);  // the store and the return
  CHECK(code["store_tracked"] == code["store_plain"]);
  CHECK(code["store_mprotect"] == code["store_plain"]);
  // The negative control: a software barrier is more than that.
  CHECK(code["store_card"].size() > code["store_plain"].size());
}

}  // namespace
