// The demo as its users run it: what it says and how it exits.
#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <string_view>
#include <thread>

#include "support/skip.hpp"

namespace {

namespace fs = std::filesystem;

std::string content(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// A directory of its own that is gone afterwards.
struct fixture {
  fs::path directory;

  fixture() {
    std::string name = (fs::temp_directory_path() / "gcbarrier-demo-test.XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    directory = name;
  }
  ~fixture() { fs::remove_all(directory); }
  fixture(const fixture&) = delete;
  fixture& operator=(const fixture&) = delete;

  fs::path path(std::string_view name) const { return directory / name; }
  std::string file(std::string_view name, std::string_view text) const {
    std::ofstream(path(name), std::ios::binary) << text;
    return path(name).string();
  }
  std::size_t files() const {
    return static_cast<std::size_t>(
        std::distance(fs::directory_iterator(directory), fs::directory_iterator()));
  }

  struct outcome {
    int status;
    std::string out;
    std::string error;
  };
  outcome run(const std::string& arguments, const std::string& prefix = "") const {
    const fs::path out = directory / ".out";
    const fs::path error = directory / ".error";
    const std::string command = prefix + DEMO_PROGRAM + " " + arguments + " >'" + out.string() + "' 2>'" +
                                error.string() + "' </dev/null";
    const int status = std::system(command.c_str());  // NOLINT(concurrency-mt-unsafe)
    REQUIRE(WIFEXITED(status));
    outcome seen{WEXITSTATUS(status), content(out), content(error)};
    fs::remove(out);
    fs::remove(error);
    return seen;
  }
  // One line on standard error that holds `words`, nothing on standard output, status 2.
  void refused(const std::string& arguments, std::string_view words) const {
    CAPTURE(arguments);
    const outcome seen = run(arguments);
    CAPTURE(seen.error);
    CHECK(seen.status == 2);
    CHECK(seen.out.empty());
    CHECK(seen.error.starts_with("gcbarrier-demo: "));
    CHECK(seen.error.find(words) != std::string::npos);
    CHECK(std::count(seen.error.begin(), seen.error.end(), '\n') == 1);
  }
};

constexpr std::string_view verse = "In the beginning was the word\nand the word was with the heap\n";

TEST_CASE_FIXTURE(fixture, "input that cannot be indexed is named, with the reason") {
  const std::string good = file("good.txt", verse);
  refused(path("missing.txt").string(), "missing.txt: No such file");
  refused(good + " " + path("missing.txt").string(), "missing.txt: No such file");
  refused(directory.string(), "it is a directory");
  refused("/dev/zero", "it is not a file");
  refused("/proc/self/mem", "/proc/self/mem: ");  // can be opened and not read, by whomever
  refused(DEMO_PROGRAM, "binary data");
  refused(file("nul.txt", std::string("word\0word", 9)), "binary data");
  refused(file("empty.txt", ""), "empty");
  refused(file("blank.txt", " \n\t\n--- ...\n"), "empty");
}

TEST_CASE_FIXTURE(fixture, "a file that may not be read is refused") {
  const std::string secret = file("secret.txt", verse);
  fs::permissions(secret, fs::perms::none);
  if (::geteuid() != 0) return refused(secret, "Permission denied");
  // Root may read everything.
  const outcome seen = run(secret, "setpriv --reuid=65534 --regid=65534 --clear-groups ");
  if (seen.status > 2) SKIP_TEST("the build directory is not open to other users");
  CHECK(seen.status == 2);
  CHECK(seen.error.find("secret.txt: Permission denied") != std::string::npos);
}

TEST_CASE_FIXTURE(fixture, "absurd options are refused") {
  const std::string good = file("good.txt", verse);
  for (const char* const mb : {"0", "-1", "abc", "1e3", "99999999999", "99999999999999999999999999", "''"}) {
    refused("--mb " + std::string(mb) + " " + good, "--mb");
  }
  refused("--barrier wishful " + good, "--barrier");
  refused("--torture 0 " + good, "--torture");
  refused("--nonsense " + good, "--nonsense");
  refused("--json", "--json");
  std::ifstream meminfo("/proc/meminfo");
  std::string key;
  std::size_t kib = 0;
  meminfo >> key >> kib;
  if (kib < std::size_t{200} << 20) refused("--mb 100000 " + good, "available");
}

TEST_CASE_FIXTURE(fixture, "a JSON file that cannot be written is refused before any work") {
  const std::string good = file("good.txt", verse);
  refused("--json " + path("no/such/directory.json").string() + " " + good, "No such file");
  refused("--json " + directory.string() + " " + good, "it is a directory");
  refused("--json /dev/full " + good, "not a regular file");
}

TEST_CASE_FIXTURE(fixture, "a recording that cannot be written is refused before any work") {
  const std::string good = file("good.txt", verse);
  refused("--record " + path("no/such/directory.html").string() + " " + good, "No such file");
  refused("--record " + directory.string() + " " + good, "it is a directory");
  refused("--record /dev/full " + good, "not a regular file");
  refused("--record", "--record");
  const std::string both = path("both").string();
  refused("--record " + both + " --json " + both + " " + good, "the same file");
  CHECK(files() == 1);
}

TEST_CASE_FIXTURE(fixture, "a recording takes the place of an older one only when the runs have succeeded") {
  const std::string good = file("good.txt", verse);
  const std::string page = file("page.html", "before");
  if (run("--barrier soft_dirty --record " + page + " " + good).status != 0) CHECK(content(page) == "before");
  CHECK(run("--record " + page + " " + path("missing").string()).status == 2);
  CHECK(content(page) == "before");
  CHECK(run("--barrier card --record " + page + " " + good).status == 0);
  CHECK(content(page).find("<!doctype html>") == 0);
  CHECK(files() == 2);
}

TEST_CASE_FIXTURE(fixture, "a program too short for a single collection can be recorded and watched") {
  const std::string good = file("good.txt", verse);
  const outcome seen = run("--barrier card --watch --record " + path("page.html").string() + " " + good);
  CHECK(seen.status == 0);
  CHECK(content(path("page.html")).find("\"runs\":[") != std::string::npos);
}

TEST_CASE_FIXTURE(fixture, "--watch is plain lines where there is no terminal") {
  std::string text;
  for (int i = 0; i < 2000; ++i) text += "line " + std::to_string(i) + "\n";
  const outcome seen = run("--watch --mb 6 --barrier uffd_async " + file("good.txt", text));
  CHECK(seen.status == 0);
  CHECK(seen.error.find("collection    1 minor  pause") != std::string::npos);
  CHECK(seen.error.find('\033') == std::string::npos);
  CHECK(seen.error.find('\r') == std::string::npos);
  CHECK(seen.out.find('\033') == std::string::npos);
}

TEST_CASE_FIXTURE(fixture, "all barriers give one digest, in words and in JSON, with nothing missing") {
  std::string text;
  for (int i = 0; i < 2000; ++i)
    text += "line " + std::to_string(i) + " follows line " + std::to_string(i - 1) + "\n";
  const std::string good = file("good.txt", text);
  const outcome seen = run("--verify --mb 6 --json " + path("out.json").string() + " " + good);
  CAPTURE(seen.error);
  REQUIRE(seen.status == 0);
  CHECK(seen.out.find("whichever barrier ran") != std::string::npos);
  CHECK(seen.error.find('\r') == std::string::npos);  // no live line where there is no terminal
  const nlohmann::json json = nlohmann::json::parse(content(path("out.json")));
  CHECK(json["same_digest"] == true);
  CHECK(json["nothing_missed"] == true);
  CHECK(json["input_files"] == 1);
  std::set<std::string> digests;
  std::set<std::string> done;
  for (const nlohmann::json& one : json["runs"]) {
    const std::string barrier = one["barrier"];
    CAPTURE(barrier);
    if (one["state"] == "unavailable") {
      CHECK(barrier == "soft_dirty");
      CHECK_FALSE(std::string(one["reason"]).empty());
      continue;
    }
    done.insert(barrier);
    digests.insert(one["digest"].get<std::string>());
    CHECK(one["minor_pauses_ns"].size() > 2);
    CHECK(one["verified_slots"] > 0);
    CHECK(one["missed_slots"] == 0);
    CHECK(seen.out.find(one["digest"].get<std::string>()) != std::string::npos);
  }
  CHECK(digests.size() == 1);
  CHECK(done.contains("card"));
  CHECK(done.contains("uffd_async"));
  CHECK(done.contains("mprotect"));
  CHECK(files() == 2);  // no drafts left
}

TEST_CASE_FIXTURE(fixture, "torture collects all the time, and the answers are the same") {
  std::string text;
  for (int i = 0; i < 300; ++i) text += "line " + std::to_string(i) + "\n";
  const std::string good = file("good.txt", text);
  const outcome seen =
      run("--verify --torture 10 --barrier uffd_async --json " + path("out.json").string() + " " + good);
  CAPTURE(seen.error);
  REQUIRE(seen.status == 0);
  const outcome plain = run("--barrier uffd_async --json " + path("plain.json").string() + " " + good);
  REQUIRE(plain.status == 0);
  const nlohmann::json tortured = nlohmann::json::parse(content(path("out.json")))["runs"][0];
  const nlohmann::json untortured = nlohmann::json::parse(content(path("plain.json")))["runs"][0];
  CHECK(tortured["digest"] == untortured["digest"]);
  CHECK(tortured["minor_pauses_ns"].size() > 50);
  CHECK(tortured["full_pauses_ns"].size() > 3);
  CHECK(tortured["missed_slots"] == 0);
  CHECK(tortured["dangling_slots"] == 0);
}

TEST_CASE_FIXTURE(fixture, "one barrier by name runs alone, or says why it cannot") {
  const std::string good = file("good.txt", verse);
  const outcome card = run("--barrier card " + good);
  CHECK(card.status == 0);
  CHECK(card.out.find("13 words") != std::string::npos);
  CHECK(card.out.find("mprotect") == std::string::npos);
  const outcome soft_dirty = run("--barrier soft_dirty " + good);
  if (soft_dirty.status != 0) {
    CHECK(soft_dirty.status == 2);
    CHECK(soft_dirty.error.find("not available here") != std::string::npos);
  }
}

TEST_CASE_FIXTURE(fixture, "--help explains itself") {
  const outcome seen = run("--help");
  CHECK(seen.status == 0);
  for (const char* const option :
       {"--mb", "--barrier", "--verify", "--torture", "--json", "--record", "--watch"}) {
    CHECK(seen.out.find(option) != std::string::npos);
  }
}

TEST_CASE_FIXTURE(fixture, "whatever ends the demo, an earlier JSON file is as it was") {
  const std::string kept = file("out.json", "before");
  SUBCASE("bad input") {
    CHECK(run("--json " + kept + " " + path("missing").string()).status == 2);
  }
  SUBCASE("killed at work") {
    const std::string good = file("good.txt", verse);
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      ::close(STDERR_FILENO);
      ::execl(DEMO_PROGRAM, DEMO_PROGRAM, "--mb", "1000", "--json", kept.c_str(), good.c_str(), nullptr);
      ::_exit(127);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    ::kill(child, SIGKILL);
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(WIFSIGNALED(status));
    fs::remove(good);
  }
  CHECK(content(kept) == "before");
  CHECK(files() == 1);
}

}  // namespace
