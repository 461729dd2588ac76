/* rank.c: the locks that a thread holds, in debug builds. */
#include "rank.h"

#include "attributes.h"
#include "report.h"

#include <stdint.h>

#ifdef MOLT_DEBUG

/* The ranks of the locks that the calling thread holds, a bit for each. A signal handler may come
 * in the middle of a change to it, but has released by its end what it took: so the change goes on
 * from the right value. */
static THREAD_LOCAL volatile uint32_t held;

#define X(rank, name) [RANK_##rank] = (name),
static const char *const names[] = {LOCK_RANKS(X)};
#undef X

void rank_check(enum lock_rank rank)
{
    uint32_t above = held >> rank;
    if (rank == RANK_NONE)
        report_fatal("lock order: a lock without a rank");
    if (above == 0)
        return;
    unsigned highest = rank + 31 - (unsigned)__builtin_clz(above);
    report_fatal("lock order: lock '%s' is waited for while lock '%s' is held", names[rank],
                 names[highest]);
}

void rank_take(enum lock_rank rank)
{
    held |= UINT32_C(1) << rank;
}

void rank_drop(enum lock_rank rank)
{
    held &= ~(UINT32_C(1) << rank);
}

#endif
