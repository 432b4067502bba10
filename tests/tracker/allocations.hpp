// Counts this process's allocations from malloc, operator new included.
#ifndef GCBARRIER_TESTS_TRACKER_ALLOCATIONS_HPP
#define GCBARRIER_TESTS_TRACKER_ALLOCATIONS_HPP

// Since the program began; by any thread.
long allocations();

#endif
