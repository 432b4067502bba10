// What is behind a gcb_tracker.
#ifndef GCBARRIER_C_TRACKER_HPP
#define GCBARRIER_C_TRACKER_HPP

#include "../write_tracker.hpp"

struct gcb_tracker {
  gcbarrier::write_tracker tracker;
};

#endif
