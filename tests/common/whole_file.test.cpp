// A result file is complete or it is the old one.
#include <doctest/doctest.h>
#include <sys/stat.h>

#include <common/whole_file.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace {

namespace fs = std::filesystem;

// A directory of its own that is gone afterwards.
struct fixture {
  fs::path folder;
  std::string path;

  fixture() {
    std::string name = (fs::temp_directory_path() / "gcbarrier-common-test.XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    folder = name;
    path = folder / "result";
  }
  ~fixture() { fs::remove_all(folder); }
  fixture(const fixture&) = delete;
  fixture& operator=(const fixture&) = delete;

  [[nodiscard]] std::string content() const {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  [[nodiscard]] auto files() const {
    return std::distance(fs::directory_iterator(folder), fs::directory_iterator());
  }
};

TEST_CASE_FIXTURE(fixture, "asking whether a file can be written leaves everything as it was") {
  gccommon::require_writable(path);
  CHECK(files() == 0);
  gccommon::write_whole(path, "old");
  gccommon::require_writable(path);
  CHECK(content() == "old");
  CHECK(files() == 1);
}

TEST_CASE_FIXTURE(fixture, "a new file takes the place of the old one, for all to read") {
  gccommon::write_whole(path, "old and long");
  gccommon::write_whole(path, "new");
  CHECK(content() == "new");
  CHECK(files() == 1);
  const mode_t mask = ::umask(0);
  ::umask(mask);
  struct stat about {};
  REQUIRE(::stat(path.c_str(), &about) == 0);
  CHECK((about.st_mode & 0777) == (0666 & ~mask));
}

TEST_CASE_FIXTURE(fixture, "what is no file, or has no directory, is refused and left alone") {
  for (const fs::path& wrong : {folder, folder / "missing" / "file", fs::path("/dev/full"), fs::path()}) {
    CAPTURE(wrong);
    CHECK_THROWS_AS(gccommon::require_writable(wrong), gccommon::cannot_write);
    CHECK_THROWS_AS(gccommon::write_whole(wrong, "text"), gccommon::cannot_write);
  }
  CHECK(files() == 0);
}

}  // namespace
