// The adapter of this process: which route it serves libgc by, and all that the route needs.
#ifndef GCBARRIER_BDWGC_ADAPTER_HPP
#define GCBARRIER_BDWGC_ADAPTER_HPP

#include <gcbarrier/bdwgc.h>

#include <cstddef>

#include "dirty_pages.hpp"
#include "libgc_functions.hpp"
#include "proc_files.hpp"
#include "root_tails.hpp"

namespace bdwgc {

// What stands between libgc and the kernel once a route is chosen. It lies in memory of its own, since libgc
// takes every word in the data of a shared object for a possible pointer, and these point to its heap.
struct adapter {
  adapter(const libgc_functions& functions, dirty_pages::tracker over)
      : libgc(functions), pages(functions, std::move(over)), files(pages) {}

  libgc_functions libgc;
  dirty_pages pages;
  proc_files files;
  root_tails tails;
  GC_push_other_roots_proc push_other_roots = nullptr;        // what was there before ours
  GC_on_collection_event_proc on_collection_event = nullptr;  // the program's own
};

// The adapter in use; null where there is none.
adapter* current();

// Chooses a route and puts it in place. Returns 0 or an errno value; describe() then says why. While there is
// one thread, and no lock of libgc is held.
int attach(gcbarrier_bdwgc_route wanted);

gcbarrier_bdwgc_route route_in_use();
const char* description();

// libgc's functions, whether or not a route is in use. False where there is no libgc.
bool find_libgc(libgc_functions& functions);

}  // namespace bdwgc

#endif
