// gcbarrier-demo: the same program on the same collector with each write barrier.
#include <CLI/CLI.hpp>

#include <sys/utsname.h>

#include <algorithm>
#include <common/whole_file.hpp>
#include <cstdio>
#include <exception>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "input.hpp"
#include "report.hpp"
#include "run.hpp"
#include "watch/live_map.hpp"
#include "watch/recording.hpp"
#include "watch/replay.hpp"

namespace {

using gcheap::demo::outcome;
using gcheap::demo::usage_error;

constexpr int exit_wrong_answers = 1;
constexpr int exit_bad_input = 2;
constexpr std::size_t bytes_per_mb = 1000000;
constexpr std::size_t default_mb = 80;

struct request {
  std::vector<std::string> files;
  std::size_t mb = 0;  // 0: not given
  std::string barrier = "all";
  bool verify = false;
  std::size_t torture = 0;
  std::string json;
  std::string record;
  bool watch = false;
};

std::vector<std::string> barrier_names() {
  std::vector<std::string> names;
  gcheap::each_barrier([&]<class Barrier>() { names.emplace_back(Barrier::name); });
  return names;
}

void describe(CLI::App& app, request& asked) {
  std::vector<std::string> names = barrier_names();
  names.emplace_back("all");
  app.add_option(
      "file", asked.files,
      "Text files to index, once each unless --mb is given; by default the licence texts that Debian "
      "ships and its word list, repeated to 80 MB");
  app.add_option("--mb", asked.mb, "How much text to index, in MB: the files over and over")
      ->check(CLI::Range(1, 100000));
  app.add_option("--barrier", asked.barrier, "Which write barrier to run with")
      ->check(CLI::IsMember(names))
      ->capture_default_str();
  app.add_flag("--verify", asked.verify,
               "Check the remembered set and all pointers at every collection by walks of the whole heap");
  app.add_option("--torture", asked.torture, "Collect at every n-th allocation, every 16th time in full")
      ->check(CLI::Range(1, 1000000000));
  app.add_option("--json", asked.json, "Write all figures to this file too");
  app.add_option("--record", asked.record,
                 "Write a page to this file that replays the run: a map of the old space, pauses, the "
                 "remembered set; open it in a browser");
  app.add_flag("--watch", asked.watch,
               "Show that map while the demo runs; in plain lines where there is no terminal");
}

// In bytes; all there is where the kernel does not say.
std::size_t available_memory() {
  std::ifstream file("/proc/meminfo");
  std::string key;
  std::size_t kib = 0;
  while (file >> key >> kib) {
    if (key == "MemAvailable:") return kib * 1024;
    file.ignore(64, '\n');
  }
  return ~std::size_t{0};
}

// The index takes about two and a half times the text, the tables beside the heap a little.
void require_memory(std::size_t bytes) {
  const std::size_t needed = 3 * bytes;
  const std::size_t available = available_memory();
  if (needed <= available) return;
  throw usage_error("an index of " + std::to_string(bytes / bytes_per_mb) + " MB of text takes about " +
                    std::to_string(needed / bytes_per_mb) + " MB of memory, and " +
                    std::to_string(available / bytes_per_mb) + " MB are available; use a smaller --mb");
}

std::vector<outcome> run_all(const request& asked, const gcheap::demo::input& texts, std::size_t bytes,
                             gcheap::demo::recording* record) {
  std::optional<gcheap::demo::live_map> live;
  if (asked.watch) live.emplace();
  std::vector<gcheap::demo::viewer*> viewers;
  if (record != nullptr) viewers.push_back(record);
  if (live) viewers.push_back(&*live);
  const gcheap::demo::run_options options{bytes, asked.verify, asked.torture, !asked.watch, viewers};
  std::vector<outcome> runs;
  gcheap::each_barrier([&]<class Barrier>() {
    if (asked.barrier != "all" && asked.barrier != Barrier::name) return;
    runs.push_back(gcheap::demo::run<Barrier>(texts, options));
  });
  return runs;
}

// What the page says of the runs as a whole.
nlohmann::json about(std::size_t bytes, const std::vector<outcome>& runs) {
  utsname system{};
  ::uname(&system);
  nlohmann::json missing = nlohmann::json::array();
  for (const outcome& run : runs) {
    if (run.ended == outcome::state::unavailable)
      missing.push_back({{"barrier", run.barrier}, {"why", run.why}});
  }
  return {{"program", "Concordance of " + std::to_string(bytes / bytes_per_mb) + " MB of text"},
          {"kernel", std::string(system.sysname) + " " + system.release},
          {"page_bytes", gcbarrier::kernel::page_size()},
          {"missing", missing}};
}

int complain(const std::string& what) {
  std::fprintf(stderr, "gcbarrier-demo: %s\n", what.c_str());
  return exit_bad_input;
}

int conclude(const request& asked, const std::vector<outcome>& runs) {
  const gcheap::demo::verdict found = gcheap::demo::judge(runs);
  if (!found.nothing_missed) {
    std::fprintf(stderr,
                 "gcbarrier-demo: a remembered set was incomplete or a pointer led nowhere; this is a bug\n");
  }
  if (!found.same_digest) {
    std::fprintf(stderr, "gcbarrier-demo: the answers depend on the barrier; this is a bug\n");
  }
  if (!found.nothing_missed || !found.same_digest) return exit_wrong_answers;
  for (const outcome& run : runs) {
    if (run.ended == outcome::state::failed) return complain(run.barrier + " stopped early: " + run.why);
    if (run.ended == outcome::state::unavailable && asked.barrier != "all") {
      return complain(run.barrier + " is not available here: " + run.why);
    }
  }
  return 0;
}

int demo(const request& asked) {
  for (const std::string& file : {asked.json, asked.record}) {
    if (!file.empty()) gccommon::require_writable(file);
  }
  if (!asked.json.empty() && asked.json == asked.record) {
    throw usage_error("--json and --record name the same file, " + asked.json);
  }
  const bool chosen = !asked.files.empty();
  const gcheap::demo::input texts =
      chosen ? gcheap::demo::read_files(asked.files) : gcheap::demo::read_default_texts();
  for (const std::string& note : texts.notes) std::fprintf(stderr, "note: %s\n", note.c_str());
  const std::size_t bytes =
      asked.mb != 0 ? asked.mb * bytes_per_mb : (chosen ? texts.bytes : default_mb * bytes_per_mb);
  require_memory(bytes);
  gcheap::demo::recording record;
  const std::vector<outcome> runs = run_all(asked, texts, bytes, asked.record.empty() ? nullptr : &record);
  gcheap::demo::print_summary(texts, bytes, runs);
  std::fflush(stdout);
  if (!asked.json.empty()) {
    gccommon::write_whole(asked.json, gcheap::demo::as_json(texts, bytes, runs).dump(2) + "\n");
  }
  const int status = conclude(asked, runs);
  if (!asked.record.empty() && status == 0) {
    gccommon::write_whole(asked.record, gcheap::demo::replay_page(about(bytes, runs), record.runs()));
  }
  return status;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app(
      "Builds a concordance of some texts in a garbage-collected heap, with each write barrier in turn.",
      "gcbarrier-demo");
  request asked;
  describe(app, asked);
  try {
    app.parse(argc, argv);
    return demo(asked);
  } catch (const CLI::ParseError& wrong) {
    if (wrong.get_exit_code() == 0) return app.exit(wrong);  // --help
    return complain(std::string(wrong.what()) + "; see --help");
  } catch (const std::exception& wrong) {
    return complain(wrong.what());
  }
}
