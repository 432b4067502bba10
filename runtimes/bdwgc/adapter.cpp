#include "adapter.hpp"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>

#include <gcbarrier/error.hpp>
#include <gcbarrier/kernel/system_calls.hpp>

#include "events.hpp"
#include "loaded_object.hpp"
#include "redirected_calls.hpp"

namespace bdwgc {

namespace {

// Of what libgc scans as roots, only this pointer belongs to the adapter.
adapter* the_adapter = nullptr;
gcbarrier_bdwgc_route route = GCBARRIER_BDWGC_NONE;
constexpr const char* library_name = "libgc.so";
char sentence[512] = "libgc is not served: nobody asked";

int refuse(int code, const char* why) {
  std::snprintf(sentence, sizeof sentence, "libgc is not served: %s", why);
  return code;
}

// Whether that libgc asks the kernel for soft-dirty bits by calls that can be redirected.
bool knows_soft_dirty(const loaded_object& library) {
  return (library.calls("open") || library.calls("__open_2")) && library.calls("read") &&
         library.calls("lseek") && library.calls("write") && library.calls("uname");
}

gcbarrier::error make_adapter(const libgc_functions& libgc) {
  gcbarrier::result<gcbarrier::uffd_async> mechanism = gcbarrier::uffd_async::open({});
  if (!mechanism) return mechanism.error();
  gcbarrier::result<dirty_pages::tracker> tracker = dirty_pages::tracker::over(std::move(*mechanism));
  if (!tracker) return tracker.error();
  constexpr gcbarrier::kernel::system_calls calls;
  const long place = calls.map(sizeof(adapter));
  if (gcbarrier::kernel::failed(place)) return {"mmap", static_cast<int>(-place), {}, ""};
  the_adapter = new (reinterpret_cast<void*>(place)) adapter(libgc, std::move(*tracker));
  return {};
}

}  // namespace

adapter* current() {
  return the_adapter;
}
gcbarrier_bdwgc_route route_in_use() {
  return route;
}
const char* description() {
  return sentence;
}

bool find_libgc(libgc_functions& functions) {
  static libgc_functions known;
  if (known.init == nullptr) {
    static loaded_object library;  // too large for a stack
    if (!library.find(library_name) || !known.look_up(library.path())) return false;
  }
  functions = known;
  return true;
}

int attach(gcbarrier_bdwgc_route wanted) {
  if (route != GCBARRIER_BDWGC_NONE) return 0;
  static loaded_object library;
  libgc_functions libgc;
  if (!library.find(library_name)) return refuse(ENOENT, "no shared libgc in this process");
  if (!libgc.look_up(library.path()) || !library.calls("mmap")) {
    return refuse(ENOTSUP, "this libgc is older than 8.2, or built without mmap");
  }
  if (libgc.is_init_called() != 0) return refuse(EBUSY, "it was initialised before");
  const char* const watch = std::getenv("GC_USE_GETWRITEWATCH");
  if (watch != nullptr && std::strcmp(watch, "0") == 0) {
    return refuse(ENOTSUP, "GC_USE_GETWRITEWATCH=0 asks for mprotect");
  }
  const bool manual_works = libgc.set_manual_vdb_allowed != nullptr && libgc.end_stubborn_change != nullptr;
  if (wanted == GCBARRIER_BDWGC_AUTO) {
    wanted = knows_soft_dirty(library) ? GCBARRIER_BDWGC_SOFT_DIRTY : GCBARRIER_BDWGC_MANUAL;
  }
  if (wanted == GCBARRIER_BDWGC_SOFT_DIRTY && !knows_soft_dirty(library)) {
    return refuse(ENOTSUP, "this libgc knows no soft-dirty bits");
  }
  if (wanted == GCBARRIER_BDWGC_MANUAL && !manual_works) {
    return refuse(ENOTSUP, "this libgc cannot be told of dirty pages");
  }

  if (the_adapter == nullptr) {
    if (const gcbarrier::error why = make_adapter(libgc)) {
      char text[400];
      why.describe(text, sizeof text);
      return refuse(why.code, text);
    }
  }
  if (!redirect_memory_calls(library) ||
      (wanted == GCBARRIER_BDWGC_SOFT_DIRTY && !redirect_file_calls(library))) {
    // What has been redirected already does no harm.
    return refuse(EACCES, "its calls cannot be redirected");
  }
  hear_events(*the_adapter, wanted);
  if (wanted == GCBARRIER_BDWGC_MANUAL) libgc.set_manual_vdb_allowed(1);
  route = wanted;
  const unsigned version = libgc.get_version();
  std::snprintf(sentence, sizeof sentence, "libgc %u.%u.%u learns written pages from userfaultfd, %s",
                version >> 16, version >> 8 & 0xFF, version & 0xFF,
                route == GCBARRIER_BDWGC_MANUAL ? "by the manual route" : "as soft-dirty bits");
  return 0;
}

}  // namespace bdwgc

// ---- the C interface ----

int gcbarrier_bdwgc_init(enum gcbarrier_bdwgc_route route) {
  if (route == GCBARRIER_BDWGC_NONE) return 0;
  return bdwgc::attach(route);
}

enum gcbarrier_bdwgc_route gcbarrier_bdwgc_route_in_use(void) {
  return bdwgc::route_in_use();
}

size_t gcbarrier_bdwgc_describe(char* out, size_t size) {
  return static_cast<size_t>(std::snprintf(out, size, "%s", bdwgc::description()));
}

void gcbarrier_bdwgc_get_statistics(struct gcbarrier_bdwgc_statistics* out) {
  *out = {};
  const bdwgc::adapter* const adapter = bdwgc::current();
  if (adapter == nullptr) return;
  out->reads = adapter->pages.reads;
  out->clears = adapter->pages.clears;
  out->pages_dirty = adapter->pages.pages_dirty;
  out->pages_tracked = adapter->pages.pages_tracked();
  out->pages_opened = adapter->pages.pages_opened;
  out->problems = adapter->pages.problems;
}
