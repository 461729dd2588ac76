/* watch.h: what looks at calls of malloc and free: filling (perturb.h), sampling and tracing
 * (sample.h).
 *
 * Nothing of that costs anything while it is off: only slow paths ask. What looks at every call has
 * the fast paths stay closed (thread.h). A thread learns of a change at its next slow path. */
#ifndef ALLOC_WATCH_H
#define ALLOC_WATCH_H

#include "base/attributes.h"

#include <stdbool.h>
#include <stdint.h>

enum watch {
    WATCH_FILL = 1,       /* blocks are filled */
    WATCH_TRACE = 2,      /* all blocks are recorded; objects as if each were sampled */
    WATCH_SAMPLE = 4,     /* some are */
    WATCH_FREES = 8,      /* some have been: their frees are recorded … */
    WATCH_ALL_FREES = 16, /* … and may be of any block, since all were */
};

extern HIDDEN uint32_t watch_flags;

static inline uint32_t watch_get(void)
{
    return __atomic_load_n(&watch_flags, __ATOMIC_RELAXED);
}

/* Whether any of them is on. */
static inline bool watch_is_on(enum watch any)
{
    return UNLIKELY((watch_get() & (uint32_t)any) != 0);
}

static inline bool watch_every_call(void)
{
    return watch_is_on(WATCH_FILL | WATCH_TRACE | WATCH_ALL_FREES);
}

static inline void watch_set(enum watch which, bool on)
{
    if (on)
        __atomic_fetch_or(&watch_flags, (uint32_t)which, __ATOMIC_RELAXED);
    else
        __atomic_fetch_and(&watch_flags, ~(uint32_t)which, __ATOMIC_RELAXED);
}

#endif
