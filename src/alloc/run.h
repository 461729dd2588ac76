/* run.h: blocks of whole pages inside an arena, above BLOCK_MAX and up to RUN_MAX bytes, or of any
 * size up to there that an alignment keeps out of the pools. */
#ifndef ALLOC_RUN_H
#define ALLOC_RUN_H

#include <stdbool.h>
#include <stddef.h>

/* A block of at least `size` bytes at a multiple of `alignment` (up to RUN_MAX), or NULL. */
void *run_alloc(size_t size, size_t alignment, bool zero);

/* Whether a run starts at p, which lies in an arena; its bytes, or 0. */
size_t run_bytes(const void *p);

void run_free(void *run);

/* Shrinks or grows a run where it is. False leaves it as it was. */
bool run_resize(void *run, size_t size);

#endif
