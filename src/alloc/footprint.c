/* footprint.c: the two numbers. */
#include "footprint.h"

#include <stdatomic.h>

static _Atomic size_t now, peak;

void footprint_grow(size_t bytes)
{
    size_t grown = atomic_fetch_add_explicit(&now, bytes, memory_order_relaxed) + bytes;
    size_t seen = atomic_load_explicit(&peak, memory_order_relaxed);
    while (seen < grown && !atomic_compare_exchange_weak_explicit(
                               &peak, &seen, grown, memory_order_relaxed, memory_order_relaxed))
        continue;
}

void footprint_shrink(size_t bytes)
{
    atomic_fetch_sub_explicit(&now, bytes, memory_order_relaxed);
}

size_t footprint_now(void)
{
    return atomic_load_explicit(&now, memory_order_relaxed);
}

size_t footprint_peak(void)
{
    return atomic_load_explicit(&peak, memory_order_relaxed);
}
