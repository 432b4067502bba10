#include "report.hpp"

#include <algorithm>
#include <cmath>
#include <cstdarg>
#include <cstdio>
#include <sstream>

#include "../measure/host.hpp"

namespace gcbench {
namespace {

using gcbarrier::mechanism_kind;

[[gnu::format(printf, 1, 2)]] std::string format(const char* pattern, ...) {
  char text[512];
  va_list values;
  va_start(values, pattern);
  (void)std::vsnprintf(text, sizeof text, pattern, values);
  va_end(values);
  return text;
}

// The median and the middle half, with the median's unit and three digits of it: "1.23 us (1.20-1.31)".
std::string time_text(const samples& taken) {
  spread s = spread_of(taken);
  const char* unit = "ns";
  if (std::fabs(s.median) >= 999.5) {
    for (double* one : {&s.low, &s.median, &s.high}) *one /= 1000;
    unit = "us";
  }
  const int digits = std::fabs(s.median) < 9.995 ? 2 : std::fabs(s.median) < 99.95 ? 1 : 0;
  return format("%.*f %s (%.*f-%.*f)", digits, s.median, unit, digits, s.low, digits, s.high);
}

// Two digits: the third would be noise.
double rounded(double count) {
  if (count < 1) return 0;
  const double step = std::pow(10, std::floor(std::log10(count)) - 1);
  return step < 1 ? std::round(count) : std::round(count / step) * step;
}

// Breaks lines at spaces so that they fit a terminal; all but the first are indented.
std::string wrapped(const std::string& text, std::size_t indent) {
  constexpr std::size_t width = 100;
  std::istringstream words(text);
  std::string lines;
  std::size_t column = indent;
  for (std::string word; words >> word; column += word.size() + 1) {
    if (column + word.size() > width && column > indent) {
      lines += "\n" + std::string(indent, ' ');
      column = indent;
    } else if (!lines.empty()) {
      lines += ' ';
    }
    lines += word;
  }
  return lines;
}

// Half of the middle half's width.
double noise_of_mark(const costs& measured) {
  const spread mark = spread_of(measured.find("card_mark")->taken);
  return (mark.high - mark.low) / 2;
}

constexpr int label_width = 47;
constexpr int column_width = 26;

}  // namespace

std::string describe(const gcbarrier::machine_report& report) {
  const auto& machine = report.machine;
  const host host = this_host();
  std::string text = format("gcbarrier %d.%d.%d, Linux %s, %s, %u processors\n\n", GCBARRIER_VERSION_MAJOR,
                            GCBARRIER_VERSION_MINOR, GCBARRIER_VERSION_PATCH, machine.release,
                            host.processor.c_str(), host.processors);
  text += "Ways to learn which pages were written, the best first\n";
  for (int i = 0; i < gcbarrier::mechanism_count; ++i) {
    const auto& mechanism = report.mechanisms[i];
    const char* const name = gcbarrier::name_of(static_cast<mechanism_kind>(i));
    if (mechanism.works()) {
      text += format("  %-11s works\n", name);
      continue;
    }
    char why[512];
    const gcbarrier::error& error = mechanism.why;
    gcbarrier::error{error.operation, error.code, error.where, ""}.describe(why, sizeof why);
    text += format("  %-11s does not: %s (%s)\n", name, name_of(mechanism.reason), why);
    if (*error.advice != '\0')
      text += "              " + wrapped(std::string("what to do: ") + error.advice, 14) + "\n";
  }
  text += "\nThis machine and this process\n";
  text += format("  userfaultfd %s; /proc %s; %s\n", name_of(machine.userfaultfd),
                 machine.proc ? "mounted" : "not mounted", machine.dumpable ? "dumpable" : "not dumpable");
  text += format("  %s; %s\n",
                 !machine.seccomp_known ? "whether a seccomp filter is on is not known"
                 : machine.seccomp      ? "under a seccomp filter"
                                        : "no seccomp filter",
                 machine.container ? "a container, by the marks in its file system" : "not a container");
  text += format("  pages of %zu bytes; transparent huge pages: %s\n", machine.page, name_of(machine.huge));
  return text;
}

std::string describe(const costs& measured) {
  std::string text =
      format("What it costs here: the median of %zu interleaved repetitions (and their middle half)\n",
             measured.repetitions);
  text += format("  %-*s", label_width, "");
  for (const auto& one : measured.from) {
    text += format("%-*s", column_width, gcbarrier::name_of(one.mechanism));
  }
  // Each mechanism has the same rows, or fewer than the first.
  for (const cost& row : measured.all) {
    if (row.mechanism.empty() || row.mechanism != gcbarrier::name_of(measured.from.front().mechanism)) {
      continue;
    }
    text += format("\n  %-*s", label_width, row.what.c_str());
    for (const auto& one : measured.from) {
      const cost* const cell = measured.find(row.id, gcbarrier::name_of(one.mechanism));
      text += format("%-*s", column_width, cell == nullptr ? "-" : time_text(cell->taken).c_str());
    }
  }
  text += "\n\n";
  for (const cost& row : measured.all) {
    if (!row.mechanism.empty()) continue;
    text += format("  %-*s%s\n", label_width, row.what.c_str(), time_text(row.taken).c_str());
  }
  text += format("  Pages are searched for pointers into the nursery by %s.\n", measured.search.c_str());
  for (const auto& one : measured.from) {
    if (one.mechanism != mechanism_kind::soft_dirty) continue;
    text +=
        "  soft_dirty protects the whole process at once: its figures include the rest of this program.\n";
  }
  text +=
      "\nPointer stores, young ones included, for each page that they dirty, from which on tracking pays\n";
  for (const auto& one : measured.from) {
    const spread& s = one.stores;
    text += format("  %-11s ", gcbarrier::name_of(one.mechanism));
    text += one.told ? format("%.0f (%.0f to %.0f with 90 %% confidence)\n", rounded(s.median),
                              rounded(s.low), rounded(s.high))
                     : "not to be told: a card mark costs no more than the noise\n";
    if (one.told && one.mechanism == mechanism_kind::uffd_async) {
      text += format(
          "              %.0f (%.0f to %.0f) if most cycles dirty the page and the cost policy knows it\n",
          rounded(one.again.median), rounded(one.again.low), rounded(one.again.high));
    }
  }
  text += "\n" + wrapped(rule_of_thumb(measured), 0) + "\n";
  return text;
}

std::string rule_of_thumb(const costs& measured) {
  const auto& best = measured.from.front();
  const char* const name = gcbarrier::name_of(best.mechanism);
  if (!best.told) {
    std::string rule = format(
        "On this machine, now, a card mark cannot be told from a plain store (%.2f ns, give or take %.2f): "
        "choose cards, unless your stores cannot carry a barrier or system calls write into the heap; then "
        "choose %s. ",
        std::max(spread_of(measured.find("card_mark")->taken).median, 0.0), noise_of_mark(measured), name);
    return rule + "Run this again when the machine is quiet.";
  }
  return format(
      "On this machine, choose %s if a collection cycle makes more than about %.0f pointer stores, young "
      "ones "
      "included, for each old page that it dirties, or, with the cost policy, more than about %.0f for each "
      "page that most cycles dirty; else choose cards. A program with much work between its stores feels "
      "less of a card mark than this loop of stores, and needs more of them.",
      name, rounded(best.stores.median), rounded(best.again.median));
}

}  // namespace gcbench
