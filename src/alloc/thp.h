/* thp.h: transparent huge pages: 2 MiB of memory that the kernel has as one page.
 *
 * Memory that is written from end to end comes faster by THPs; memory that is touched only here and
 * there takes more room with them. So the arenas forbid THPs, but have a range filled with one
 * where heaps are about to fill the range themselves (arena.c). The spans of huge blocks are laid
 * out so that no THP is split (span.h).
 *
 * "Huge" by itself always means a huge block (huge.h), never a THP. */
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

/* Whether a THP is wanted at the arena's page: the range of one begins there, nothing of the range
 * has been touched, and it will soon be filled. That is expected when all arenas together have at
 * least `from` bytes in use for each heap: the more heaps, the more pools are carved only in part.
 */
bool thp_is_wanted(const struct arena *arena, unsigned page, size_t used_bytes, size_t from);

/* Fills the range at `start` with a THP; false if the kernel has none. The lock `held` is free
 * meanwhile: zeroing a THP takes a fifth of a millisecond. */
bool thp_fill(void *start, struct lock *held);

#endif
