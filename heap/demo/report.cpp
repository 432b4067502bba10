#include "report.hpp"

#include <gcbarrier/kernel/system_calls.hpp>

#include <algorithm>
#include <array>
#include <cinttypes>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <vector>

namespace gcheap::demo {
namespace {

double ms(std::uint64_t ns) {
  return static_cast<double>(ns) / 1e6;
}
double seconds(std::uint64_t ns) {
  return static_cast<double>(ns) / 1e9;
}
double mb(std::size_t bytes) {
  return static_cast<double>(bytes) / 1e6;
}

// The smallest pause that this share of all pauses does not exceed.
std::uint64_t percentile(std::vector<std::uint64_t> pauses, double share) {
  if (pauses.empty()) return 0;
  std::sort(pauses.begin(), pauses.end());
  const auto count = static_cast<double>(pauses.size());
  const auto rank = static_cast<std::size_t>(share * count + 0.999999);
  return pauses[std::min(std::max<std::size_t>(rank, 1), pauses.size()) - 1];
}

std::vector<std::uint64_t> all_pauses(const statistics& s) {
  std::vector<std::uint64_t> all;
  for (const pause& one : s.pauses) all.push_back(one.ns);
  return all;
}

std::uint64_t per_collection(std::uint64_t sum, const statistics& s) {
  return s.collections() == 0 ? 0 : sum / s.collections();
}

std::string hexadecimal(std::uint64_t value) {
  std::array<char, 17> digits{};
  std::snprintf(digits.data(), digits.size(), "%016" PRIx64, value);
  return digits.data();
}

void print_row(const outcome& run) {
  if (run.ended == outcome::state::unavailable) {
    std::printf("%-16s not available here: %s\n", run.barrier.c_str(), run.why.c_str());
    return;
  }
  const statistics& s = run.statistics;
  const std::vector<std::uint64_t> pauses = all_pauses(s);
  std::printf("%-16s %5zu %4zu  %7.2f %7.2f %7.2f  %8" PRIu64 " %8" PRIu64
              "  %8.1f %8.1f %8.1f  %8.2f %7.2f %7.2f\n",
              run.barrier.c_str(), s.minor_pauses().size(), s.full_pauses().size(), ms(percentile(pauses, 0.5)),
              ms(percentile(pauses, 0.99)), ms(percentile(pauses, 1)), per_collection(s.dirty_pages, s),
              per_collection(s.dirty_bytes, s) / 1024, ms(s.written_ns), ms(s.search_ns), ms(s.rearm_ns),
              seconds(run.mutator_ns()), seconds(s.pause_ns()), seconds(run.total_ns));
  if (run.ended == outcome::state::failed) {
    std::printf("%-16s stopped early: %s\n", run.barrier.c_str(), run.why.c_str());
  }
}

void print_verification(const outcome& run) {
  const statistics& s = run.statistics;
  if (s.verified_collections == 0) return;
  std::printf(
      "%-16s verified at %" PRIu64 " collections: %" PRIu64 " old slots pointed to young objects, %" PRIu64
      " of them missing from the remembered set; %" PRIu64 " pointers led nowhere\n",
      run.barrier.c_str(), s.verified_collections, s.verified_slots, s.missed_slots, s.dangling_slots);
}

nlohmann::json as_json(const outcome& run) {
  if (run.ended == outcome::state::unavailable) {
    return {{"barrier", run.barrier}, {"state", "unavailable"}, {"reason", run.why}};
  }
  const statistics& s = run.statistics;
  nlohmann::json out = {{"barrier", run.barrier},
                        {"state", run.ended == outcome::state::done ? "done" : "failed"},
                        {"digest", hexadecimal(run.digest)},
                        {"words", run.words},
                        {"distinct_words", run.distinct_words},
                        {"queries", run.queries},
                        {"total_ns", run.total_ns},
                        {"mutator_ns", run.mutator_ns()},
                        {"old_live_bytes", run.old_live_bytes},
                        {"old_held_bytes", run.old_held_bytes},
                        {"minor_pauses_ns", s.minor_pauses()},
                        {"full_pauses_ns", s.full_pauses()},
                        {"written_ns", s.written_ns},
                        {"search_ns", s.search_ns},
                        {"promote_ns", s.promote_ns},
                        {"sweep_ns", s.sweep_ns},
                        {"rearm_ns", s.rearm_ns},
                        {"verify_ns", s.verify_ns},
                        {"dirty_bytes", s.dirty_bytes},
                        {"dirty_pages", s.dirty_pages},
                        {"dirty_runs", s.dirty_runs},
                        {"remembered_slots", s.remembered_slots},
                        {"retained_slots", s.retained_slots},
                        {"promoted_bytes", s.promoted_bytes},
                        {"promoted_objects", s.promoted_objects},
                        {"swept_bytes", s.swept_bytes},
                        {"verified_collections", s.verified_collections},
                        {"verified_slots", s.verified_slots},
                        {"missed_slots", s.missed_slots},
                        {"dangling_slots", s.dangling_slots}};
  if (run.ended == outcome::state::failed) out["reason"] = run.why;
  return out;
}

}  // namespace

verdict judge(std::span<const outcome> runs) {
  verdict found;
  const outcome* first = nullptr;
  for (const outcome& run : runs) {
    const bool sound = run.statistics.missed_slots == 0 && run.statistics.dangling_slots == 0;
    found.nothing_missed = found.nothing_missed && sound;
    if (run.ended != outcome::state::done) continue;
    if (first == nullptr) first = &run;
    found.same_digest = found.same_digest && run.digest == first->digest;
  }
  return found;
}

void print_summary(const input& texts, std::size_t bytes, std::span<const outcome> runs) {
  std::printf("\nConcordance of %.1f MB of text: %zu files, %.1f MB, read %.1f times over\n", mb(bytes),
              texts.documents.size(), mb(texts.bytes),
              static_cast<double>(bytes) / static_cast<double>(texts.bytes));
  for (const outcome& run : runs) {
    if (run.ended != outcome::state::done) continue;
    std::printf("%" PRIu64 " words, %" PRIu64 " of them different, %" PRIu64
                " queries, %.0f MB of old objects\n",
                run.words, run.distinct_words, run.queries, mb(run.old_live_bytes));
    break;
  }
  std::printf("\n%-16s %10s  %23s  %17s  %26s  %24s\n", "", "collections", "pause, ms", "dirty/collection",
              "remembered set, ms", "time, s");
  std::printf("%-16s %5s %4s  %7s %7s %7s  %8s %8s  %8s %8s %8s  %8s %7s %7s\n", "barrier", "minor", "full",
              "p50", "p99", "max", "pages", "KiB", "ask", "search", "rearm", "mutator", "pauses", "total");
  for (const outcome& run : runs) print_row(run);
  std::printf("\n");
  for (const outcome& run : runs) print_verification(run);
  const verdict found = judge(runs);
  for (const outcome& run : runs) {
    if (run.ended != outcome::state::done) continue;
    std::printf("digest %s%s\n", hexadecimal(run.digest).c_str(),
                found.same_digest ? ", whichever barrier ran" : (" with " + run.barrier).c_str());
    if (found.same_digest) break;
  }
}

nlohmann::json as_json(const input& texts, std::size_t bytes, std::span<const outcome> runs) {
  nlohmann::json list = nlohmann::json::array();
  for (const outcome& run : runs) list.push_back(as_json(run));
  const verdict found = judge(runs);
  return {{"text_bytes", bytes},
          {"input_files", texts.documents.size()},
          {"input_bytes", texts.bytes},
          {"page_bytes", gcbarrier::kernel::page_size()},
          {"same_digest", found.same_digest},
          {"nothing_missed", found.nothing_missed},
          {"runs", list}};
}

}  // namespace gcheap::demo
