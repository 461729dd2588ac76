/* peak.h: giving back free memory before the process grows beyond its peak, or while it is above
 * the soft limit (limit.h).
 *
 * While the process is no larger than it has been before, the free memory that it keeps costs
 * nothing more: its peak stays what it was. Memory beyond the peak raises it. So when the resident
 * memory has grown beyond the peak by a 16th of that (PEAK_PARTS), the heap gives back its empty
 * pools, other heaps those that wait for a sleeping owner, and then as many idle pages and kept
 * spans go as the growth asks for. The peak is raised all the same, by a 16th at least: so this
 * happens a few times only, however often the memory grows and shrinks in between.
 *
 * Above the soft limit all free memory goes back that the caller can reach without waiting for
 * another thread: when memory grows beyond the limit, then once for each 16th of it that memory
 * grows further, and at a tick when that much is free. */
#ifndef ALLOC_PEAK_H
#define ALLOC_PEAK_H

#include <stdbool.h>

struct heap;

/* Called after memory was taken from the arenas or the OS, with no lock held. `heap` is the
 * caller's, which has entered it, or NULL. */
void peak_check(struct heap *heap);

/* Whether peak_check has something to do: for callers that enter their heaps only for that. */
bool peak_is_due(void);

/* The soft limit's part of a tick. The caller has entered the heap. */
void peak_tick(struct heap *heap);

/* Takes the limits from the options. */
void peak_set_limits(void);

#endif
