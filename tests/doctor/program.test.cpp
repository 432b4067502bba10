// gcbarrier-doctor as a user runs it.
#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "support/child.hpp"
#include "support/hidden_proc.hpp"
#include "support/skip.hpp"

namespace {

struct outcome {
  int status;
  std::string output;  // both streams
};

std::string read_all(std::FILE* from) {
  std::string text;
  std::array<char, 4096> part{};
  while (const std::size_t length = std::fread(part.data(), 1, part.size(), from)) {
    text.append(part.data(), length);
  }
  return text;
}

outcome run(const std::string& arguments) {
  const std::string command = std::string(DOCTOR) + " " + arguments + " 2>&1 </dev/null";
  std::FILE* const pipe = ::popen(command.c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::string output = read_all(pipe);
  const int status = ::pclose(pipe);
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, std::move(output)};
}

bool mentions(const outcome& ended, const std::string& text) {
  return ended.output.find(text) != std::string::npos;
}

}  // namespace

TEST_CASE("doctor: tells what works, what it costs and when it pays, and writes the same as JSON") {
  const std::string path =
      std::filesystem::temp_directory_path() / ("doctor_test." + std::to_string(::getpid()) + ".json");
  const outcome ended = run("--quick --json " + path);
  CAPTURE(ended.output);
  CHECK(ended.status == 0);
  CHECK(mentions(ended, "uffd_async  works"));
  CHECK(mentions(ended, "first write to a protected page"));
  CHECK(mentions(ended, "On this machine"));

  std::ifstream file(path);
  const auto told = nlohmann::json::parse(file);
  std::filesystem::remove(path);
  CHECK(told["mechanisms"].size() == 3);
  CHECK(told["mechanisms"][0]["name"] == "uffd_async");
  CHECK(told["mechanisms"][0]["works"] == true);
  const std::size_t repetitions = told["repetitions"];
  CHECK(repetitions >= 5);
  std::size_t first_writes = 0;
  for (const auto& cost : told["costs_ns"]) {
    CAPTURE(cost["id"].get<std::string>());
    CHECK(cost["samples"].size() == repetitions);
    CHECK(cost["low"] <= cost["median"]);
    CHECK(cost["median"] <= cost["high"]);
    if (cost["id"] != "card_mark") CHECK(cost["median"] > 0);
    if (cost["id"] == "first_write") ++first_writes;
  }
  CHECK(first_writes >= 2);
  CHECK(told["break_even_stores_per_dirty_page"].contains("uffd_async"));
  CHECK(told["break_even_stores_per_page_dirtied_again"].contains("uffd_async"));
  for (const char* const cost : {"fault", "arm_page", "search_page"}) {
    CAPTURE(cost);
    CHECK(told["cost_model_ps"][cost] > 0);
  }
  const std::string rule = told["rule"];
  CHECK(rule.starts_with("On this machine"));
  CHECK(rule.find("choose") != std::string::npos);
}

TEST_CASE("doctor: bad usage") {
  for (const char* arguments : {"--no-such-option", "superfluous", "--json", "--json ''", "--json /",
                                "--json /no/such/folder/file", "--quick=maybe"}) {
    const outcome ended = run(arguments);
    CAPTURE(arguments);
    CAPTURE(ended.output);
    CHECK(ended.status == 2);
    CHECK_FALSE(ended.output.empty());
    CHECK_FALSE(mentions(ended, "What it costs"));
  }
}

TEST_CASE("doctor: help") {
  const outcome ended = run("--help");
  CHECK(ended.status == 0);
  CHECK(mentions(ended, "--quick"));
  CHECK(mentions(ended, "Exit status"));
}

TEST_CASE("doctor: nothing works") {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  SKIP_TEST("a sanitizer's run time needs /proc");
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
  SKIP_TEST("a sanitizer's run time needs /proc");
#endif
#endif
  if (!support::can_hide_proc()) SKIP_TEST("hiding /proc needs root and leave to mount");
  std::FILE* const output = std::tmpfile();
  REQUIRE(output != nullptr);
  CHECK(support::run_in_child([output] {
          if (!support::hide_proc()) return 100;
          sigset_t all;  // a shell between would unblock them
          sigfillset(&all);
          ::sigprocmask(SIG_SETMASK, &all, nullptr);
          ::dup2(::fileno(output), STDOUT_FILENO);
          ::execl(DOCTOR, DOCTOR, nullptr);
          return 101;
        }) == support::exited(1));
  std::rewind(output);
  const std::string text = read_all(output);
  std::fclose(output);
  CHECK(text.find("/proc is not mounted") != std::string::npos);
  CHECK(text.find("SIGSEGV is blocked") != std::string::npos);
}
