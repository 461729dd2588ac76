/* run.h: blocks of whole pages inside an arena: of more than BLOCK_MAX and up to RUN_MAX bytes;
 * also smaller ones whose alignment no pool has.
 *
 * Programs often free and allocate the same buffer again and again. So each heap keeps the runs
 * that its thread freed last, for requests of the same size: that takes no lock, and the memory is
 * still in the core's cache. A tick empties the cache (tick.h). */
#ifndef ALLOC_RUN_H
#define ALLOC_RUN_H

#include "base/tunables.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Freed runs, the newest last. Their pages count as used, and free() takes none of them for a
 * block. */
struct run_cache {
    struct {
        uintptr_t start;
        size_t pages;
    } runs[RUN_CACHE_SLOTS];
    unsigned count;
    size_t pages;
};

/* A block of at least `size` bytes at a multiple of `alignment` (up to RUN_MAX), or NULL. Here and
 * below `cache` is that of the caller's heap, or NULL. */
void *run_alloc(struct run_cache *cache, size_t size, size_t alignment, bool zero);

/* The bytes of the live run that starts at p, which lies in an arena; 0: none starts there. */
size_t run_bytes(const void *p);

/* From now on the run that starts at p is no block. Its bytes, or 0: it is none already, since
 * another thread has freed it. */
size_t run_retire(void *p);

/* Frees a retired run of `bytes`: how many bytes went back to the arenas. */
size_t run_release(struct run_cache *cache, void *run, size_t bytes);

/* Shrinks or grows a run where it is. False leaves it as it was. */
bool run_resize(void *run, size_t size);

/* Gives all runs in the cache back to their arenas. */
void run_cache_empty(struct run_cache *cache);

#endif
