// The cost policy: whatever the costs and the history of writes, it protects ranges of pages that it was
// asked about, each once, from the highest address down, and decides alike on the same input.
#include <gcbarrier/policy/cost_policy.hpp>
#include <vector>

#include "bytes.hpp"

using gcbarrier::address_range;
using gcbarrier::cost_model;
using gcbarrier::cost_policy;
using gcbarrier::page_history;

namespace {

constexpr std::uintptr_t page = 4096;
constexpr std::uintptr_t base = 0x10000000;

address_range some_range(fuzz::bytes& input, std::size_t pages) {
  const std::size_t first = input.below(pages);
  const std::size_t count = 1 + input.below(pages - first);
  return {base + first * page, base + (first + count) * page};
}

bool in_one_of(const std::vector<address_range>& runs, std::uintptr_t at) {
  for (const address_range run : runs) {
    if (run.contains(at)) return true;
  }
  return false;
}

void begin(cost_policy& policy, page_history& history, address_range fresh, bool after_loss,
           std::vector<address_range>& decisions) {
  (void)policy.begin(history, fresh, after_loss, [&](address_range chosen) {
    fuzz::check(fresh.contains(chosen) && chosen.aligned_to(page), "whole pages of what is new");
    fuzz::check(!after_loss || chosen == fresh, "all of what may be protected or not");
    decisions.push_back(chosen);
    return gcbarrier::error{};
  });
}

std::vector<address_range> run(fuzz::bytes input) {
  cost_model costs;
  for (std::int64_t* figure : {&costs.fault, &costs.arm_call, &costs.arm_page, &costs.pass_page,
                               &costs.report_page, &costs.search_page}) {
    const std::uint8_t how = input.next();
    if (how < 64) *figure = static_cast<std::int64_t>(input.word());
    if (how >= 192) *figure = input.next() * 10'000;
  }
  cost_policy policy(costs);
  const std::size_t pages = 1 + input.below(255);
  const address_range all{base, base + pages * page};
  page_history history{gcbarrier::kernel::system_calls{}};
  fuzz::check(!history.cover(all), "memory for the history");

  std::vector<address_range> decisions;
  while (!input.empty()) {
    std::vector<address_range> written;
    std::uintptr_t at = base + input.below(8) * page;
    while (at < all.end && input.below(8) != 0) {
      const std::uintptr_t end = std::min(all.end, at + (1 + input.below(16)) * page);
      written.emplace_back(at, end);
      at = end + (1 + input.below(16)) * page;
    }
    const address_range within = input.below(4) == 0 ? some_range(input, pages) : all;
    if (input.below(4) == 0) history.note_found(some_range(input, pages));
    if (input.below(16) == 0) begin(policy, history, some_range(input, pages), false, decisions);
    const bool fails = input.below(32) == 0;

    policy.next_cycle();
    std::uintptr_t lowest = within.end;
    bool failed = false;
    const gcbarrier::error why =
        policy.select(history, within, written, [&](address_range chosen) -> gcbarrier::error {
          fuzz::check(!failed, "it stops at an error");
          fuzz::check(!chosen.empty() && chosen.aligned_to(page), "whole pages");
          fuzz::check(within.contains(chosen) && chosen.end <= lowest,
                      "downwards, inside what was asked about");
          fuzz::check(in_one_of(written, chosen.begin) && in_one_of(written, chosen.end - 1),
                      "no further than pages that are unprotected");
          lowest = chosen.begin;
          decisions.push_back(chosen);
          failed = fails;
          return fails ? gcbarrier::error{"arm", ENOMEM, chosen, ""} : gcbarrier::error{};
        });
    fuzz::check(static_cast<bool>(why) == failed, "errors are passed on");
    if (failed) begin(policy, history, all, true, decisions);
  }
  return decisions;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::check(run({data, size}) == run({data, size}), "the same input gives the same decisions");
  return 0;
}
