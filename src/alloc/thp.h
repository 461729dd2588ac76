/* thp.h: transparent huge pages: 2 MiB of memory that the kernel has as one page.
 *
 * A range that is filled from end to end faults in faster by THPs; one that is touched only here
 * and there takes more memory with them. So the arenas forbid THPs, and have one filled where a
 * heap is about to fill the range itself (arena.c); the spans of huge blocks are laid out so that
 * no THP is split (span.h). */
#ifndef ALLOC_THP_H
#define ALLOC_THP_H

#include "base/tunables.h" // THP_BYTES

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;
struct lock;

static inline size_t thp_round_up(size_t bytes)
{
    return (bytes + THP_BYTES - 1) & ~(THP_BYTES - 1);
}

static inline bool thp_is_aligned(const void *p)
{
    return (uintptr_t)p % THP_BYTES == 0;
}

/* Whether the range of a THP begins at the arena's page, nothing of it has been touched, and it
 * will soon be filled: `used_bytes` in all arenas are at least `from` for each heap. The more
 * heaps, the more pools are carved only in part. */
bool thp_is_wanted(const struct arena *arena, unsigned page, size_t used_bytes, size_t from);

/* Fills the range at `start` with a THP. Lets go of `held` meanwhile: zeroing takes a fifth of a
 * millisecond. */
bool thp_fill(void *start, struct lock *held);

#endif
