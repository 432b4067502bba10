// The main function of every test executable, and a closing line that counts what was skipped at run time.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include <cstdio>

#include "skip.hpp"

namespace {

const char* running = "";
int skipped = 0;

struct tally : doctest::IReporter {
  explicit tally(const doctest::ContextOptions& /*options*/) {}

  void report_query(const doctest::QueryData& /*query*/) override {}
  void test_run_start() override {}
  void test_run_end(const doctest::TestRunStats& run) override {
    const int failed = static_cast<int>(run.numTestCasesFailed);
    const int passed = static_cast<int>(run.numTestCasesPassingFilters) - failed - skipped;
    std::printf("tally: %d passed, %d failed, %d skipped\n", passed, failed, skipped);
  }
  void test_case_start(const doctest::TestCaseData& one) override { running = one.m_name; }
  void test_case_reenter(const doctest::TestCaseData& /*one*/) override {}
  void test_case_end(const doctest::CurrentTestCaseStats& /*stats*/) override {}
  void test_case_exception(const doctest::TestCaseException& /*thrown*/) override {}
  void subcase_start(const doctest::SubcaseSignature& /*signature*/) override {}
  void subcase_end() override {}
  void log_assert(const doctest::AssertData& /*assertion*/) override {}
  void log_message(const doctest::MessageData& /*message*/) override {}
  void test_case_skipped(const doctest::TestCaseData& /*one*/) override {}
};

}  // namespace

REGISTER_LISTENER("tally", 1, tally);

void count_as_skipped(const char* why) {
  ++skipped;
  std::printf("SKIPPED: %s: %s\n", running, why);
  std::fflush(stdout);
}
