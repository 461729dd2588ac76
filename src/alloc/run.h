/* run.h: blocks of whole pages inside an arena, above BLOCK_MAX and up to RUN_MAX bytes, or of any
 * size up to there that an alignment keeps out of the pools.
 *
 * Programs often free and allocate the same buffer again and again. So each heap keeps the runs
 * that its thread freed last, for requests of the same size: no lock, and the memory is still in
 * this core's cache. A look at the clock empties the cache (tick.h). */
#ifndef ALLOC_RUN_H
#define ALLOC_RUN_H

#include "base/tunables.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Freed runs, the newest last. To the arenas they are in use, to free() they are no blocks. */
struct run_cache {
    struct {
        uintptr_t start;
        size_t pages;
    } runs[RUN_CACHE_SLOTS];
    unsigned count;
    size_t pages;
};

/* A block of at least `size` bytes at a multiple of `alignment` (up to RUN_MAX), or NULL. Here and
 * below `cache` is the caller's, or NULL. */
void *run_alloc(struct run_cache *cache, size_t size, size_t alignment, bool zero);

/* Whether a run starts at p, which lies in an arena; its bytes, or 0. */
size_t run_bytes(const void *p);

/* The run that starts at p is no block any more; its bytes, or 0: another thread has been faster.
 */
size_t run_retire(void *p);

/* Frees a retired run of `bytes`: how many bytes went back to the arenas. */
size_t run_release(struct run_cache *cache, void *run, size_t bytes);

/* Shrinks or grows a run where it is. False leaves it as it was. */
bool run_resize(void *run, size_t size);

/* Gives all runs in the cache back to their arenas. */
void run_cache_empty(struct run_cache *cache);

#endif
