#include "libgc_functions.hpp"

#include <dlfcn.h>

namespace bdwgc {

namespace {

template <class F>
bool find(void* library, const char* name, F& function) {
  function = reinterpret_cast<F>(::dlsym(library, name));
  return function != nullptr;
}

}  // namespace

bool libgc_functions::look_up(const char* path) {
  void* const library = ::dlopen(path, RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE);
  if (library == nullptr) return false;
  find(library, "GC_set_manual_vdb_allowed", set_manual_vdb_allowed);
  find(library, "GC_end_stubborn_change", end_stubborn_change);
  return find(library, "GC_init", init) && find(library, "GC_is_init_called", is_init_called) &&
         find(library, "GC_get_version", get_version) && find(library, "GC_is_heap_ptr", is_heap_ptr) &&
         find(library, "GC_base", base) && find(library, "GC_size", size) &&
         find(library, "GC_get_kind_and_size", get_kind_and_size) &&
         find(library, "GC_is_marked", is_marked) && find(library, "GC_new_kind_inner", new_kind_inner) &&
         find(library, "GC_set_on_collection_event", set_on_collection_event) &&
         find(library, "GC_get_on_collection_event", get_on_collection_event) &&
         find(library, "GC_set_push_other_roots", set_push_other_roots) &&
         find(library, "GC_get_push_other_roots", get_push_other_roots) &&
         find(library, "GC_push_all", push_all) && find(library, "GC_add_roots", add_roots);
}

}  // namespace bdwgc
