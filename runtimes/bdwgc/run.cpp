// gcbarrier-run PROGRAM ARGS...: runs a program that uses libgc, unchanged, with dirty bits from userfaultfd.
//
// It only sets the environment and becomes the program, so arguments, descriptors, signals and the exit
// status are the program's own. Whether the kernel can is found out by the preloaded library in the program
// itself; where it cannot, the library leaves everything as it is.
#include <unistd.h>

#include <CLI/CLI.hpp>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace {

constexpr int bad_usage = 2;
// As env(1) and the shells have it.
constexpr int cannot_run = 126;
constexpr int not_found = 127;

constexpr const char* usage = "Usage: gcbarrier-run [OPTIONS] PROGRAM [ARGUMENTS...]";
struct with_usage : CLI::Formatter {
  std::string make_usage(const CLI::App* /*app*/, std::string /*name*/) const override {
    return std::string(usage) + "\n\n";
  }
};

// Beside the launcher in a build tree, else where it is installed in relation to the launcher.
std::filesystem::path library() {
  std::error_code failed;
  const std::filesystem::path here = std::filesystem::read_symlink("/proc/self/exe", failed).parent_path();
  for (const char* folder : {".", GCBARRIER_LIBRARY_FROM_LAUNCHER}) {
    const std::filesystem::path at = here / folder / "libgcbarrier-bdwgc.so";
    if (std::filesystem::exists(at, failed)) return std::filesystem::weakly_canonical(at, failed);
  }
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App options{
      "Runs a program that uses libgc (the Boehm-Demers-Weiser collector) with incremental, generational\n"
      "collection, whose dirty bits come from userfaultfd. Where the kernel cannot, or the program has no\n"
      "shared libgc, it runs as it would have.\n",
      "gcbarrier-run"};
  bool verbose = false;
  bool manual = false;
  bool generational = false;
  options.add_flag("-v,--verbose", verbose, "One line on stderr that says what was chosen");
  options.add_flag("--manual", manual, "The fallback route: slower, as libgc then allocates objects singly");
  options.add_flag("--generational", generational, "No limit on pauses, less work in all");
  options.set_version_flag("--version", GCBARRIER_VERSION);
  options.formatter(std::make_shared<with_usage>());
  options.footer(
      "Pauses end after GC_PAUSE_TIME_TARGET milliseconds, 15 unless that is set. libgc's other variables "
      "work as ever.");
  options.prefix_command();
  const auto misused = [&](const std::string& why) {
    std::fprintf(stderr, "gcbarrier-run: %s\n%s\n", why.c_str(), usage);
    return bad_usage;
  };
  try {
    options.parse(argc, argv);
  } catch (const CLI::ParseError& stopped) {
    return stopped.get_exit_code() == 0 ? options.exit(stopped) : misused(stopped.what());
  }
  const std::vector<std::string> command = options.remaining();
  if (command.empty()) return misused("which program?");
  if (command[0][0] == '-') return misused("unknown option " + command[0]);

  const std::filesystem::path preloaded = library();
  if (preloaded.empty()) {
    std::fputs("gcbarrier-run: libgcbarrier-bdwgc.so is not where it was installed\n", stderr);
    return cannot_run;
  }
  std::string request = manual ? "manual" : "auto";
  if (generational) request += ",generational";
  if (verbose) request += ",verbose";
  const char* const others = std::getenv("LD_PRELOAD");
  const std::string preload =
      others == nullptr || *others == '\0' ? preloaded.string() : preloaded.string() + ":" + others;
  ::setenv("GCBARRIER_BDWGC", request.c_str(), 1);
  ::setenv("LD_PRELOAD", preload.c_str(), 1);

  ::execvp(command[0].c_str(), argv + (argc - static_cast<int>(command.size())));
  const int why = errno;
  std::fprintf(stderr, "gcbarrier-run: %s: %s\n", command[0].c_str(), std::strerror(why));
  return why == ENOENT ? not_found : cannot_run;
}
