// What the demo says in the end, for people and for programs.
#ifndef GCHEAP_DEMO_REPORT_HPP
#define GCHEAP_DEMO_REPORT_HPP

#include <nlohmann/json_fwd.hpp>

#include <span>
#include <string>

#include "input.hpp"
#include "outcome.hpp"

namespace gcheap::demo {

// Whether all runs that ended gave the same answers, and verification, where it was on, found nothing
// missing.
struct verdict {
  bool same_digest = true;
  bool nothing_missed = true;
};
verdict judge(std::span<const outcome> runs);

// A table and a line on the digest, to standard output.
void print_summary(const input& texts, std::size_t bytes, std::span<const outcome> runs);

nlohmann::json as_json(const input& texts, std::size_t bytes, std::span<const outcome> runs);

}  // namespace gcheap::demo

#endif
