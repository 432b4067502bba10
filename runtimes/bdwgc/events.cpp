#include "events.hpp"

#include "heap_blocks.hpp"

namespace bdwgc {

namespace {

// The manual route: libgc keeps the dirty bits itself, and takes them over right after this event.
void tell_dirty_pages(adapter& here) {
  here.pages.read();
  here.pages.for_each_dirty([&](gcbarrier::address_range run) {
    for (std::uintptr_t at = run.begin; at < run.end; at += block_size) {
      here.libgc.end_stubborn_change(reinterpret_cast<void*>(at));
    }
  });
  here.pages.clear();
}

void GC_CALLBACK on_event(GC_EventType event) {
  adapter& here = *current();
  // The program's own first, and last at the end of a collection: so that one which takes times sees ours.
  const GC_on_collection_event_proc own = here.on_collection_event;
  if (own != nullptr && event != GC_EVENT_RECLAIM_END) own(event);
  switch (event) {
    case GC_EVENT_PRE_STOP_WORLD:
      if (route_in_use() == GCBARRIER_BDWGC_SOFT_DIRTY) here.tails.find();
      break;
    case GC_EVENT_MARK_START:
      if (route_in_use() == GCBARRIER_BDWGC_MANUAL) tell_dirty_pages(here);
      break;
    case GC_EVENT_RECLAIM_END:
      here.pages.open_free_memory();
      break;
    default:
      break;
  }
  if (own != nullptr && event == GC_EVENT_RECLAIM_END) own(event);
}

void GC_CALLBACK push_root_tails() {
  adapter& here = *current();
  if (here.push_other_roots != nullptr) here.push_other_roots();
  here.tails.for_each([&](gcbarrier::address_range tail) {
    here.libgc.push_all(reinterpret_cast<void*>(tail.begin), reinterpret_cast<void*>(tail.end));
  });
}

}  // namespace

void hear_events(adapter& to, gcbarrier_bdwgc_route route) {
  to.on_collection_event = to.libgc.get_on_collection_event();
  to.libgc.set_on_collection_event(&on_event);
  if (route != GCBARRIER_BDWGC_SOFT_DIRTY) return;
  to.push_other_roots = to.libgc.get_push_other_roots();
  to.libgc.set_push_other_roots(&push_root_tails);
}

}  // namespace bdwgc
