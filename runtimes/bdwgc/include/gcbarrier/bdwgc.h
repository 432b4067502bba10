/* Asynchronous dirty bits for an unmodified libgc (Boehm-Demers-Weiser collector): the C interface of
 * libgcbarrier-bdwgc.so.
 *
 *   int refused = gcbarrier_bdwgc_init(GCBARRIER_BDWGC_AUTO);
 *   GC_INIT();
 *   if (refused == 0) GC_enable_incremental();
 *
 * Link it before libgc: -lgcbarrier-bdwgc -lgc. Programs that are not relinked use gcbarrier-run instead. A
 * libgc that is linked statically cannot be served: there is no call from it that could be answered.
 */
#ifndef GCBARRIER_BDWGC_H
#define GCBARRIER_BDWGC_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define GCBARRIER_BDWGC_API __attribute__((visibility("default")))
#else
#define GCBARRIER_BDWGC_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

enum gcbarrier_bdwgc_route {
  GCBARRIER_BDWGC_NONE = 0,       /* libgc works as if this library were not there */
  GCBARRIER_BDWGC_AUTO = 1,       /* soft-dirty, or manual where that libgc knows no soft-dirty bits */
  GCBARRIER_BDWGC_SOFT_DIRTY = 2, /* libgc's reads of /proc/<pid>/pagemap are answered; the faster one */
  GCBARRIER_BDWGC_MANUAL = 3      /* libgc is told of written pages; it then allocates small objects singly */
};

/* Takes effect when libgc goes incremental. Call it before GC_INIT(), while there is one thread. Returns 0,
 * also when it was called before, or an errno value, and then changes nothing: do not go incremental then,
 * or libgc will use mprotect and SIGSEGV.
 *   ENOENT      no shared libgc in this process
 *   EBUSY       libgc is initialised already
 *   ENOTSUP     the kernel is too old (Linux 6.7 on x86-64, 6.10 on arm64), or that libgc knows no way to be
 *               told; or GC_USE_GETWRITEWATCH=0 in the environment asks for mprotect
 *   EPERM and others: what the kernel said to userfaultfd or to opening /proc/self/pagemap
 * gcbarrier_bdwgc_describe() has the whole sentence. */
GCBARRIER_BDWGC_API int gcbarrier_bdwgc_init(enum gcbarrier_bdwgc_route route);

/* What is in use: never GCBARRIER_BDWGC_AUTO. Any thread, any time. */
GCBARRIER_BDWGC_API enum gcbarrier_bdwgc_route gcbarrier_bdwgc_route_in_use(void);

/* One line without a newline that says what was chosen and why, NUL-terminated and cut to `size` bytes.
 * Returns the length of the whole line. */
GCBARRIER_BDWGC_API size_t gcbarrier_bdwgc_describe(char* out, size_t size);

struct gcbarrier_bdwgc_statistics {
  uint64_t reads;         /* times that libgc learned the dirty pages */
  uint64_t clears;        /* times that it started anew */
  uint64_t pages_dirty;   /* sum over the reads, of the pages that are tracked */
  uint64_t pages_tracked; /* now */
  uint64_t pages_opened;  /* un-protected in bulk, as libgc was about to allocate there */
  uint64_t problems;      /* times that something failed and everything was reported as dirty */
};

/* All zero where the route is GCBARRIER_BDWGC_NONE. Not while a collection runs: from the thread that
 * collects, or with the others stopped. */
GCBARRIER_BDWGC_API void gcbarrier_bdwgc_get_statistics(struct gcbarrier_bdwgc_statistics* out);

#ifdef __cplusplus
}
#endif

#endif
