// The doctor's findings, for people and for programs.
#ifndef GCBENCH_DOCTOR_REPORT_HPP
#define GCBENCH_DOCTOR_REPORT_HPP

#include <gcbarrier/gcbarrier.hpp>
#include <string>

#include "costs.hpp"

namespace gcbench {

// Plain text, which ends with the rule of thumb.
std::string describe(const gcbarrier::machine_report& report);
std::string describe(const costs& measured);

// Two sentences: when tracking pays on the machine that was measured.
std::string rule_of_thumb(const costs& measured);

// `measured` null: nothing was. All times in it are nanoseconds.
std::string to_json(const gcbarrier::machine_report& report, const costs* measured);

}  // namespace gcbench

#endif
