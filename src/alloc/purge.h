/* purge.h: returning free memory to the OS.
 *
 * A sweep goes over all arenas, a few pages at each look at the clock, and returns the pages that
 * were free and dirty at the sweep before and still are: memory that is in use now and then stays,
 * memory that was left behind goes back after one to two times `decay`. Above `dirty` bytes the
 * sweep does not wait, nor when nobody has looked for `decay` and next to nothing was freed since:
 * the program has slept, and all that is free was so before. Looks at the clock come from slow
 * paths, and from the thread of its own that the program may ask for (background.h). */
#ifndef ALLOC_PURGE_H
#define ALLOC_PURGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a look at the clock may do: about a tenth of the time since the last one, in pages of
 * 0.25 µs each, and what is `left` of that of earlier ones. It is done in portions of half a
 * millisecond, one at each look, however soon the next one comes. */
size_t purge_raise_quota(size_t left, uint64_t elapsed_ms);
#define PURGE_PORTION ((size_t)2048)

/* A portion of work on heaps that are not the caller's: somebody may wait for their lock. */
#define PURGE_PORTION_LOCKED ((size_t)500)

/* A look at the clock. Cheap when nothing is due; skipped when another thread is at it. Whether
 * there is more to do at once. */
bool purge_tick(uint64_t now_ms);

/* Returns about `bytes` of free pages that were in use once, whatever the clock says, the highest
 * addresses first: the lowest are the next to be used. Ends when another thread is at the arenas.
 */
void purge_left(size_t bytes);

/* Returns free pages at once until at most `keep_bytes` are left; the bytes returned. */
size_t purge_all(size_t keep_bytes);

#endif
