/* purge.h: returning free memory to the OS.
 *
 * A sweep goes over all arenas, a few pages at each look at the clock, and returns the pages that
 * were free and dirty at the sweep before and still are: memory that is in use now and then stays,
 * memory that was left behind goes back after one to two times `decay`. Above `dirty` bytes the
 * sweep does not wait. There is no thread of its own: looks at the clock come from slow paths. */
#ifndef ALLOC_PURGE_H
#define ALLOC_PURGE_H

#include <stddef.h>
#include <stdint.h>

/* A look at the clock. Cheap when nothing is due; skipped when another thread is at it. */
void purge_tick(uint64_t now_ms);

/* Returns about `bytes` of free pages that were in use once, whatever the clock says, the highest
 * addresses first: the lowest are the next to be used. Ends when another thread is at the arenas.
 */
void purge_left(size_t bytes);

/* Returns free pages at once until at most `keep_bytes` are left; the bytes returned. */
size_t purge_all(size_t keep_bytes);

#endif
