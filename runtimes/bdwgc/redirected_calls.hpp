// The calls that libgc makes of libc, answered by the adapter.
#ifndef GCBARRIER_BDWGC_REDIRECTED_CALLS_HPP
#define GCBARRIER_BDWGC_REDIRECTED_CALLS_HPP

#include "loaded_object.hpp"

namespace bdwgc {

// Both are for libgc alone; return whether all slots could be written. current() must be there.
bool redirect_memory_calls(const loaded_object& libgc);  // mmap, and making a kind of objects
bool redirect_file_calls(const loaded_object& libgc);    // open, fcntl, lseek, read, write, close

}  // namespace bdwgc

#endif
