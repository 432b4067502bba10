/// @file write_watch.h
/// The calls of Windows' write watch (GetWriteWatch, ResetWriteWatch) on a tracker, for collectors that have
/// a back end for those already.
///
/// | Windows | here |
/// | --- | --- |
/// | VirtualAlloc with MEM_WRITE_WATCH | mmap, then gcb_watch_writes() |
/// | GetWriteWatch | gcb_get_write_watch() |
/// | ResetWriteWatch | gcb_reset_write_watch() |
/// | VirtualFree with MEM_RELEASE | gcb_remove_arena(), then munmap |
///
/// The parameters have the same order and meaning behind the tracker, which comes first since there is no
/// global one. What differs: a region is read as written, all of it, after a failure that the kernel reports
/// (gcb_problem() tells); after madvise(MADV_DONTNEED); and in a forked child. Nothing written is ever left
/// out. Mutators may run meanwhile, as far as gcb_traits() says GCB_ATOMIC_COLLECT; two of these calls on one
/// tracker may not. A tracker that is used through these calls should not be collected or armed otherwise:
/// that takes their answers away.
#ifndef GCBARRIER_WRITE_WATCH_H
#define GCBARRIER_WRITE_WATCH_H

#include <stddef.h>
#include <stdint.h>

#include "gcbarrier.h"

#ifdef __cplusplus
extern "C" {
#endif

/// WRITE_WATCH_FLAG_RESET: the pages that are returned count as not written from then on.
#define GCB_WRITE_WATCH_RESET 1U

/// Begins to watch memory, as gcb_add_arena() does and with the same errors. Nothing in it counts as written
/// yet.
GCB_API GCB_CHECKED int gcb_watch_writes(gcb_tracker* tracker, void* base, size_t bytes, gcb_error* why);

/// Writes the addresses of the pages of the region that were written since it was watched or reset to
/// `addresses`, ascending, at most `*count` of them; sets `*count` to how many there are and `*granularity`
/// to the page size in bytes. With GCB_WRITE_WATCH_RESET these pages, and no others, are reset: what did not
/// fit is returned by the next call. A region that is not whole pages is widened. Returns 0, or EINVAL and
/// changes nothing: an unknown flag, an empty region or one that is not watched in full, `*count` 0, or a
/// null pointer.
GCB_API GCB_CHECKED int gcb_get_write_watch(gcb_tracker* tracker, uint32_t flags, void* base, size_t bytes,
                                            void** addresses, uintptr_t* count, uint32_t* granularity);

/// Makes every page of the region count as not written. Returns 0, or EINVAL for a region that is empty or
/// not watched in full.
GCB_API int gcb_reset_write_watch(gcb_tracker* tracker, void* base, size_t bytes);

#ifdef __cplusplus
}
#endif

#endif
