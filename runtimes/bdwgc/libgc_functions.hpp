// libgc's own functions, looked up in the libgc that this process has loaded. The adapter is not linked with
// libgc: it is preloaded into programs that have none.
#ifndef GCBARRIER_BDWGC_LIBGC_FUNCTIONS_HPP
#define GCBARRIER_BDWGC_LIBGC_FUNCTIONS_HPP

#include <gc/gc.h>
#include <gc/gc_mark.h>

namespace bdwgc {

struct libgc_functions {
  // Needed by both routes.
  decltype(&::GC_init) init = nullptr;
  decltype(&::GC_is_init_called) is_init_called = nullptr;
  decltype(&::GC_get_version) get_version = nullptr;
  decltype(&::GC_is_heap_ptr) is_heap_ptr = nullptr;
  decltype(&::GC_base) base = nullptr;
  decltype(&::GC_size) size = nullptr;
  decltype(&::GC_get_kind_and_size) get_kind_and_size = nullptr;
  decltype(&::GC_is_marked) is_marked = nullptr;
  decltype(&::GC_new_kind_inner) new_kind_inner = nullptr;
  decltype(&::GC_set_on_collection_event) set_on_collection_event = nullptr;
  decltype(&::GC_get_on_collection_event) get_on_collection_event = nullptr;
  decltype(&::GC_set_push_other_roots) set_push_other_roots = nullptr;
  decltype(&::GC_get_push_other_roots) get_push_other_roots = nullptr;
  decltype(&::GC_push_all) push_all = nullptr;
  decltype(&::GC_add_roots) add_roots = nullptr;
  // Needed by the manual route.
  decltype(&::GC_set_manual_vdb_allowed) set_manual_vdb_allowed = nullptr;
  decltype(&::GC_end_stubborn_change) end_stubborn_change = nullptr;

  // From the library of that path, which is kept loaded for ever. Returns whether all that both routes need
  // is there.
  bool look_up(const char* path);
};

}  // namespace bdwgc

#endif
