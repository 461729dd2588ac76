/* purge.h: returning free pages of the arenas to the OS.
 *
 * A sweep goes over all arenas, a few pages at each tick (tick.h). It returns the pages that were
 * idle (free and dirty) at the sweep before and still are: memory that is in use now and then
 * stays, memory that was left behind goes back after one to two times `decay`. A sweep returns all
 * idle pages where there are more than `dirty` bytes of them; and where `decay` has passed without
 * a tick, and next to nothing was freed since: the program has slept, and what is free now was free
 * all that time. */
#ifndef ALLOC_PURGE_H
#define ALLOC_PURGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How many pages a tick may return, `elapsed_ms` after the last one: as many as take about a tenth
 * of that time, at 0.25 µs each, and the `left` ones of earlier ticks. They are returned in
 * portions of half a millisecond, one at each tick, however soon the next tick comes. */
size_t purge_raise_quota(size_t left, uint64_t elapsed_ms);
#define PURGE_PORTION ((size_t)2048)

/* A portion of work on heaps that are not the caller's: another thread may wait for registry_lock.
 */
#define PURGE_PORTION_LOCKED ((size_t)500)

/* The sweep's part of a tick. Cheap when nothing is due; skipped when another thread has
 * arena_lock. Whether there is more to do at once. */
bool purge_tick(uint64_t now_ms);

/* Returns about `bytes` of free pages at once, but for those that were filled in advance: from the
 * highest address down, since the lowest are used next. Ends when another thread has arena_lock. */
void purge_bytes(size_t bytes);

/* Returns all free pages at once, as far as no other thread has arena_lock. */
void purge_now(void);

/* Returns free pages at once until at most `keep_bytes` are left; the bytes returned. */
size_t purge_all(size_t keep_bytes);

#endif
