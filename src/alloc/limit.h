/* limit.h: how much memory the process may take, by the options soft_limit and hard_limit.
 *
 * What counts is what may be resident: each page of the arenas that is used, touched or not, or
 * idle, less those that the OS has back (holes, emptied pools); and the mappings of huge blocks,
 * kept ones too. So molt's resident memory is at most that, but for its own tables, a hundredth.
 *
 * hard   Where memory is about to be taken, limit_admits is asked first: for a slot, a run, a hole
 *        that is filled, a mapping. Pages that are counted already, idle ones and those of kept
 *        spans, may always be used. A refusal looks like one of the OS: what is free goes back, the
 *        call tries once more, and fails. The caller holds the lock of the arenas or of the huge
 *        blocks: so only what two threads take at the same moment under different locks, or from
 *        holes, can pass the limit, by a run or less.
 * soft   Free memory goes back (peak.h). */
#ifndef ALLOC_LIMIT_H
#define ALLOC_LIMIT_H

#include "base/attributes.h"

#include <stdbool.h>
#include <stddef.h>

/* In bytes; 0: none. Read and written atomically. */
struct limits {
    size_t soft, hard;
};

extern HIDDEN struct limits limits;

/* Takes the limits from the options, and what they are a part of from the cgroup. */
void limit_set(void);

/* The bytes that may be resident. The totals are read without their locks, so they may be a little
 * too low or too high. */
size_t limit_resident(void);

/* For the two functions that follow, which ask only where there is a hard limit. */
COLD bool limit_has_room_slow(size_t bytes);
COLD bool limit_admits_slow(size_t bytes);

static inline bool limit_is_hard(void)
{
    return UNLIKELY(__atomic_load_n(&limits.hard, __ATOMIC_RELAXED) != 0);
}

/* Whether `bytes` more fit below the hard limit. */
static inline bool limit_has_room(size_t bytes)
{
    return !limit_is_hard() || limit_has_room_slow(bytes);
}

/* The same; if they do not, the call for which they are fails. */
static inline bool limit_admits(size_t bytes)
{
    return !limit_is_hard() || limit_admits_slow(bytes);
}

/* A call that was refused memory is about to try once more: only what is refused from now on counts
 * for limit_tell. */
void limit_forget_refusal(void);

/* A call has failed that was to get `size` bytes. Returns whether that is due to the hard limit; a
 * line on standard error says so, once in the process. errno is kept. */
COLD bool limit_tell(size_t size);

#endif
