// Everything that an embedder needs: #include <gcbarrier/gcbarrier.hpp>.
#ifndef GCBARRIER_GCBARRIER_HPP
#define GCBARRIER_GCBARRIER_HPP

#include "dirty_set.hpp"           // IWYU pragma: export
#include "error.hpp"               // IWYU pragma: export
#include "policy/cost_policy.hpp"  // IWYU pragma: export
#include "probe.hpp"               // IWYU pragma: export
#include "version.hpp"             // IWYU pragma: export
#include "write_tracker.hpp"       // IWYU pragma: export

#endif
