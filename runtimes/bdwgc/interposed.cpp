// Functions of libgc that the program calls, defined here first: the dynamic linker finds them before libgc's
// own where this library is preloaded, or linked before libgc. Each does what it says, by calling libgc's.
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "adapter.hpp"

using namespace bdwgc;

namespace {

// How the launcher says what it wants: "soft-dirty", "manual" or "auto", then perhaps "generational" and
// "verbose", with commas between them.
constexpr const char* request = "GCBARRIER_BDWGC";

void say(const char* what) {
  char line[600];
  const int length = std::snprintf(line, sizeof line, "gcbarrier: %s\n", what);
  if (length > 0)
    (void)!::write(2, line, std::min<std::size_t>(static_cast<std::size_t>(length), sizeof line - 1));
}

// As the launcher asked. Where there is no libgc yet, a later one is noticed when the program initialises it.
void attach_as_requested() {
  static bool decided = false;
  const char* const wanted = std::getenv(request);
  if (wanted == nullptr || decided) return;
  const auto asks = [&](const char* word) { return std::strstr(wanted, word) != nullptr; };
  const int refused = attach(asks("manual")       ? GCBARRIER_BDWGC_MANUAL
                             : asks("soft-dirty") ? GCBARRIER_BDWGC_SOFT_DIRTY
                                                  : GCBARRIER_BDWGC_AUTO);
  if (refused == ENOENT) return;
  decided = true;
  if (refused == 0) {
    ::setenv("GC_ENABLE_INCREMENTAL", "1", 0);
    if (!asks("generational")) ::setenv("GC_PAUSE_TIME_TARGET", "15", 0);
  }
  if (asks("verbose")) say(description());
}

[[gnu::constructor]] void at_load() {
  attach_as_requested();
}

}  // namespace

extern "C" {

[[gnu::visibility("default")]] void GC_init(void) {
  attach_as_requested();
  libgc_functions libgc;
  if (find_libgc(libgc)) libgc.init();
}

// libgc has room for one callback, and the adapter needs it; the program's own is called from there.
[[gnu::visibility("default")]] void GC_set_on_collection_event(GC_on_collection_event_proc callback) {
  libgc_functions libgc;
  if (current() != nullptr) {
    current()->on_collection_event = callback;
  } else if (find_libgc(libgc)) {
    libgc.set_on_collection_event(callback);
  }
}

[[gnu::visibility("default")]] GC_on_collection_event_proc GC_get_on_collection_event(void) {
  libgc_functions libgc;
  if (current() != nullptr) return current()->on_collection_event;
  return find_libgc(libgc) ? libgc.get_on_collection_event() : nullptr;
}

// See root_tails.hpp. The last page of such a root is made a root of its own, which GC_remove_roots finds
// inside of the whole, and removes with it.
[[gnu::visibility("default")]] void GC_add_roots(void* begin, void* end) {
  libgc_functions libgc;
  if (!find_libgc(libgc)) return;
  libgc.add_roots(begin, end);
  if (route_in_use() != GCBARRIER_BDWGC_SOFT_DIRTY) return;
  const gcbarrier::address_range tail =
      root_tails::forgotten({reinterpret_cast<std::uintptr_t>(begin), reinterpret_cast<std::uintptr_t>(end)});
  if (!tail.empty()) libgc.add_roots(reinterpret_cast<void*>(tail.begin), reinterpret_cast<void*>(tail.end));
}

}  // extern "C"
