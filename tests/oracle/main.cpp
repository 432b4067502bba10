// The oracle as a program: as long a run as wanted, with a seed that repeats it.
#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <gcbarrier/mechanism/verify.hpp>
#include <random>

#include "oracle.hpp"
#include "support/dropping.hpp"

namespace {

using gcbarrier::any_mechanism;
using gcbarrier::mechanism_kind;

template <gcbarrier::mechanism Mechanism>
oracle::outcome consult(Mechanism tested, const oracle::plan& todo) {
  auto tracker = gcbarrier::basic_write_tracker<Mechanism>::over(std::move(tested));
  if (!tracker) return {.lost = "no tracker"};
  return oracle::trial<Mechanism>(*tracker, todo).run();
}

}  // namespace

int main(int argc, char** argv) {
  oracle::plan todo{std::random_device{}(), 100'000, 10'000'000};
  std::string name = "uffd_async";
  bool verified = false;
  std::uint64_t drop = 0;
  CLI::App app("Writes to tracked memory in every way and checks that no page is lost.");
  app.add_option("--mechanism", name, "which mechanism to test")
      ->check(CLI::IsMember({"uffd_async", "soft_dirty", "mprotect"}));
  app.add_option("--seed", todo.seed, "repeats a run; drawn if not given");
  app.add_option("--cycles", todo.cycles, "at least so many collections")->check(CLI::PositiveNumber);
  app.add_option("--writes", todo.writes, "at least so many writes")->check(CLI::PositiveNumber);
  app.add_flag("--verify", verified, "with the verify decorator round the mechanism");
  app.add_option("--drop", drop, "negative control: lose one page in so many")->check(CLI::PositiveNumber);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& wrong) {
    return app.exit(wrong) == 0 ? 0 : 2;
  }

  auto kind = mechanism_kind::uffd_async;
  while (name_of(kind) != name) kind = static_cast<mechanism_kind>(static_cast<int>(kind) + 1);
  auto opened = any_mechanism::open(kind, {});
  if (!opened) {
    char text[256];
    opened.error().describe(text, sizeof text);
    std::fprintf(stderr, "oracle: %s does not work here: %s\n", name_of(kind), text);
    return 2;
  }
  std::printf("oracle: --mechanism %s --seed %llu --cycles %llu --writes %llu\n", name_of(kind),
              static_cast<unsigned long long>(todo.seed), static_cast<unsigned long long>(todo.cycles),
              static_cast<unsigned long long>(todo.writes));
  std::fflush(stdout);
  {
    const oracle::hand hand;
    for (std::size_t i = 0; i < oracle::way_count; ++i) {
      const auto one = static_cast<oracle::way>(i);
      if (!hand.can(one)) std::printf("SKIPPED: %s is forbidden here\n", oracle::name_of(one));
    }
  }

  const auto start = std::chrono::steady_clock::now();
  oracle::outcome result;
  if (drop > 0) {
    std::mt19937_64 random(todo.seed);
    result = consult(support::dropping<any_mechanism>(
                         std::move(*opened), [&](gcbarrier::address_range) { return random() % drop == 0; }),
                     todo);
  } else if (verified) {
    auto watched = gcbarrier::verify<any_mechanism>::over(std::move(*opened));
    if (!watched) return 2;
    result = consult(std::move(*watched), todo);
  } else {
    result = consult(std::move(*opened), todo);
  }
  const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start;
  std::printf("%llu writes in %llu cycles, %.1f s; %llu pages reported, %llu needed, %llu tracked\n",
              static_cast<unsigned long long>(result.writes), static_cast<unsigned long long>(result.cycles),
              spent.count(), static_cast<unsigned long long>(result.pages_reported),
              static_cast<unsigned long long>(result.pages_needed),
              static_cast<unsigned long long>(result.pages_tracked));
  if (result.lost.empty()) return 0;
  std::printf("LOST: %s\n", result.lost.c_str());
  return 1;
}
