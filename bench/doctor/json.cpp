#include <cstring>
#include <nlohmann/json.hpp>

#include "../measure/host.hpp"
#include "report.hpp"

namespace gcbench {

std::string to_json(const gcbarrier::machine_report& report, const costs* measured) {
  using nlohmann::ordered_json;
  const auto spread_json = [](const spread& s) {
    return ordered_json{{"low", s.low}, {"median", s.median}, {"high", s.high}};
  };
  const auto& machine = report.machine;
  const host host = this_host();
  ordered_json out;
  out["gcbarrier"] = {GCBARRIER_VERSION_MAJOR, GCBARRIER_VERSION_MINOR, GCBARRIER_VERSION_PATCH};
  out["machine"] = {{"kernel", machine.release},
                    {"processor", host.processor},
                    {"processors", host.processors},
                    {"compiler", host.compiler},
                    {"page_bytes", machine.page},
                    {"userfaultfd", name_of(machine.userfaultfd)},
                    {"dumpable", machine.dumpable},
                    {"proc", machine.proc},
                    {"seccomp", machine.seccomp_known ? ordered_json(machine.seccomp) : ordered_json()},
                    {"container", machine.container},
                    {"huge_pages", name_of(machine.huge)}};
  out["mechanisms"] = ordered_json::array();
  for (int i = 0; i < gcbarrier::mechanism_count; ++i) {
    const auto& mechanism = report.mechanisms[i];
    ordered_json entry{{"name", gcbarrier::name_of(static_cast<gcbarrier::mechanism_kind>(i))},
                       {"works", mechanism.works()}};
    if (!mechanism.works()) {
      entry["reason"] = name_of(mechanism.reason);
      entry["failed"] = mechanism.why.operation;
      entry["error"] = std::strerror(mechanism.why.code);
      entry["advice"] = mechanism.why.advice;
    }
    out["mechanisms"].push_back(std::move(entry));
  }
  if (measured != nullptr) {
    out["repetitions"] = measured->repetitions;
    out["search"] = measured->search;
    out["costs_ns"] = ordered_json::array();
    for (const cost& one : measured->all) {
      ordered_json entry{{"id", one.id}, {"what", one.what}};
      if (!one.mechanism.empty()) entry["mechanism"] = one.mechanism;
      entry.update(spread_json(spread_of(one.taken)));
      entry["samples"] = one.taken;
      out["costs_ns"].push_back(std::move(entry));
    }
    out["break_even_stores_per_dirty_page"] = ordered_json::object();
    for (const auto& one : measured->from) {
      out["break_even_stores_per_dirty_page"][gcbarrier::name_of(one.mechanism)] =
          one.told ? spread_json(one.stores) : ordered_json();
    }
    out["break_even_stores_per_page_dirtied_again"] = ordered_json::object();
    for (const auto& one : measured->from) {
      out["break_even_stores_per_page_dirtied_again"][gcbarrier::name_of(one.mechanism)] =
          one.told ? spread_json(one.again) : ordered_json();
    }
    if (const auto& model = measured->model) {
      out["cost_model_ps"] = {{"fault", model->fault},
                              {"arm_call", model->arm_call},
                              {"arm_page", model->arm_page},
                              {"pass_page", model->pass_page},
                              {"report_page", model->report_page},
                              {"search_page", model->search_page}};
    }
    out["rule"] = rule_of_thumb(*measured);
  }
  return out.dump(2) + "\n";
}

}  // namespace gcbench
