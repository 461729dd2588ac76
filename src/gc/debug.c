/* debug.c: the flags. */
#include "debug.h"

#include <stdatomic.h>

static _Atomic unsigned debug_flags;

struct collection debug_collection(int generation, unsigned stop_ms)
{
    unsigned debug = atomic_load(&debug_flags);
    return (struct collection){
        .generation = generation,
        .saves_all = (debug & MOLT_GC_SAVEALL) != 0,
        .says_collectable = (debug & MOLT_GC_COLLECTABLE) != 0,
        .says_uncollectable = (debug & MOLT_GC_UNCOLLECTABLE) != 0,
        .says_statistics = (debug & MOLT_GC_STATS) != 0,
        .stop_ms = stop_ms,
    };
}

void molt_gc_set_debug(unsigned flags)
{
    atomic_store(&debug_flags, flags);
}

unsigned molt_gc_get_debug(void)
{
    return atomic_load(&debug_flags);
}
