// What tracking costs on this machine, and what a card mark costs beside it.
#ifndef GCBENCH_DOCTOR_COSTS_HPP
#define GCBENCH_DOCTOR_COSTS_HPP

#include <chrono>
#include <cstddef>
#include <gcbarrier/gcbarrier.hpp>
#include <gcbarrier/policy/costs.hpp>
#include <optional>
#include <string>
#include <vector>

#include "../measure/spread.hpp"

namespace gcbench {

// One figure. All are nanoseconds.
struct cost {
  std::string id;         // for programs: "first_write"
  std::string mechanism;  // empty where it is the same for all of them
  std::string what;       // for people
  samples taken;          // one for each repetition
};

// The number of pointer stores, young ones included, for each old page that a cycle dirties, from which on
// tracking costs less than marking a card at every store.
struct break_even {
  gcbarrier::mechanism_kind mechanism;
  spread stores;      // infinite where a mark costs nothing
  spread again;       // the same for pages that the cost policy leaves unprotected, as most cycles dirty them
  bool told = false;  // all of the interval is finite; else a mark is lost in the noise
};

struct costs {
  std::vector<cost> all;
  std::vector<break_even> from;  // by mechanism, the library's preference first
  std::size_t repetitions = 0;
  std::string search;  // the SIMD method that pages were searched with
  // What the cost policy would go by on this machine, with that search; if uffd_async works.
  std::optional<gcbarrier::cost_model> model;

  // Nothing where it was not measured here.
  [[nodiscard]] const cost* find(const std::string& id, const std::string& mechanism = "") const;
};

struct effort {
  std::size_t least;  // repetitions
  std::size_t most;
  std::chrono::milliseconds time;
};

// Measures every mechanism that works according to the report. Throws std::system_error where there is not
// enough memory (about 200 MiB).
costs measure_costs(const gcbarrier::machine_report& report, effort effort);

}  // namespace gcbench

#endif
