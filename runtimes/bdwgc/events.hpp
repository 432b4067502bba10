// What the adapter does at libgc's events.
#ifndef GCBARRIER_BDWGC_EVENTS_HPP
#define GCBARRIER_BDWGC_EVENTS_HPP

#include "adapter.hpp"

namespace bdwgc {

// Before libgc is initialised.
void hear_events(adapter& to, gcbarrier_bdwgc_route route);

}  // namespace bdwgc

#endif
