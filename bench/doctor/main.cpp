// gcbarrier-doctor: what this machine can do, what it costs here, and when tracking pays.
#include <CLI/CLI.hpp>
#include <chrono>
#include <common/whole_file.hpp>
#include <cstdio>
#include <exception>
#include <optional>
#include <string>

#include "costs.hpp"
#include "report.hpp"

namespace {

constexpr int some_mechanism_works = 0;
constexpr int none_works = 1;
constexpr int bad_usage = 2;

// Exits well below 15 seconds: beside the measuring there is only the touching of 200 MiB.
constexpr gcbench::effort full{11, 301, std::chrono::seconds(8)};
constexpr gcbench::effort quick{5, 21, std::chrono::seconds(1)};

std::optional<gcbench::costs> measure(const gcbarrier::machine_report& report, gcbench::effort effort) {
  try {
    return gcbench::measure_costs(report, effort);
  } catch (const std::exception& problem) {
    std::fprintf(stderr, "gcbarrier-doctor: the costs could not be measured: %s\n", problem.what());
    return std::nullopt;
  }
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app(
      "Says which ways of learning written pages work on this machine, why others do not, and what to do "
      "about it; then measures what they cost here, and when they cost less than marking cards.",
      "gcbarrier-doctor");
  std::string json;
  bool hurry = false;
  app.add_option("--json", json, "Also write everything to FILE")->type_name("FILE");
  app.add_flag("--quick", hurry, "Measure for one second instead of eight");
  app.footer("Exit status: 0 when at least one way works, 1 when none does, 2 for bad usage.");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& problem) {
    return app.exit(problem) == 0 ? 0 : bad_usage;
  }

  try {
    if (app.count("--json") != 0) gccommon::require_writable(json);

    const gcbarrier::machine_report report = gcbarrier::probe();
    std::printf("%s\n", gcbench::describe(report).c_str());
    std::fflush(stdout);
    std::optional<gcbench::costs> measured;
    if (report.best()) measured = measure(report, hurry ? quick : full);
    if (measured) std::printf("%s", gcbench::describe(*measured).c_str());
    if (!report.best()) std::printf("Nothing works here. Mark cards, or change what stands above.\n");
    if (app.count("--json") != 0) {
      gccommon::write_whole(json, gcbench::to_json(report, measured ? &*measured : nullptr));
    }
    return report.best() ? some_mechanism_works : none_works;
  } catch (const std::exception& problem) {
    std::fprintf(stderr, "gcbarrier-doctor: %s\n", problem.what());
    return bad_usage;
  }
}
