// docs/embedding.md: its collector runs at every step, and its quotes are true.
#include <doctest/doctest.h>
#include <sys/wait.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace {

struct outcome {
  int status;
  std::string output;
};

outcome run(const std::string& command) {
  FILE* const pipe = popen((command + " 2>&1").c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::string output;
  for (char line[256]; std::fgets(line, sizeof line, pipe) != nullptr;) output += line;
  const int status = pclose(pipe);
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, output};
}

// Without the indentation and the preprocessor, which a quote leaves out.
std::string flattened(const std::string& text) {
  std::string flat;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    std::string line = text.substr(at, end - at);
    line.erase(0, std::min(line.find_first_not_of(' '), line.size()));
    flat += line + '\n';
    at = end + 1;
  }
  return flat;
}

std::string read(const std::filesystem::path& file) {
  std::ifstream in(file);
  REQUIRE_MESSAGE(in.good(), file.string());
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace

TEST_CASE("embedding: the collector runs at every step, and looks at fewer objects from step 5 on") {
  const char* const steps[] = {STEPS};
  long looked_at[11] = {};
  int step = 0;
  for (const char* program : steps) {
    ++step;
    const outcome ran = run(program);
    CAPTURE(ran.output);
    CHECK(ran.status == 0);
    const std::size_t at = ran.output.find("collections, ");
    REQUIRE(at != std::string::npos);
    looked_at[step] = std::stol(ran.output.substr(at + 13));
  }
  REQUIRE(step == 10);
  CHECK(looked_at[5] < looked_at[4] / 2);
}

TEST_CASE("embedding: step 7 notices a remembered set that misses pages") {
  const outcome ran = run(BROKEN);
  CHECK(ran.status == 1);
  CHECK(ran.output.find("an old-to-young pointer was missed") != std::string::npos);
}

TEST_CASE("docs: what is quoted from a source file stands there") {
  int quotes = 0;
  for (const auto& file : std::filesystem::directory_iterator(std::filesystem::path(SOURCE_DIR) / "docs")) {
    if (file.path().extension() != ".md") continue;
    const std::string text = read(file.path());
    const std::string marker = "<!-- quoted from ";
    for (std::size_t at = text.find(marker); at != std::string::npos; at = text.find(marker, at + 1)) {
      const std::size_t name = at + marker.size();
      const std::string source = text.substr(name, text.find(" -->", name) - name);
      const std::size_t open = text.find("```cpp\n", name);
      REQUIRE(open != std::string::npos);
      const std::size_t code = open + 7;
      const std::string quote = text.substr(code, text.find("```", code) - code);
      CAPTURE(file.path().string());
      CAPTURE(quote);
      CHECK(flattened(read(std::filesystem::path(SOURCE_DIR) / source)).find(flattened(quote)) !=
            std::string::npos);
      ++quotes;
    }
  }
  CHECK(quotes >= 6);
}
