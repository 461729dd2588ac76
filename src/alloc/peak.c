/* peak.c: the peak, and the steps beyond it. */
#include "peak.h"

#include "arena.h"
#include "heap.h"
#include "hole.h"
#include "huge.h"
#include "purge.h"
#include "remote.h"
#include "span_cache.h" // span_totals

#include "base/attributes.h"
#include "base/tunables.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

static _Atomic size_t peak;

/* The bytes that may be resident: every page in use counts. The totals are read without their
 * locks, so they may be a little too low or too high. */
static size_t resident(void)
{
    size_t pages = __atomic_load_n(&arena_totals.used_pages, __ATOMIC_RELAXED) +
                   __atomic_load_n(&arena_totals.idle_pages, __ATOMIC_RELAXED);
    return (pages << os_page_shift) -
           atomic_load_explicit(&remote_emptied_bytes, memory_order_relaxed) -
           atomic_load_explicit(&hole_bytes, memory_order_relaxed) +
           __atomic_load_n(&huge_totals.bytes, __ATOMIC_RELAXED) +
           __atomic_load_n(&span_totals.cached_bytes, __ATOMIC_RELAXED);
}

static size_t excess_over(size_t bytes)
{
    size_t now = resident();
    return now > bytes ? now - bytes : 0;
}

/* Gives back until `down_to` bytes are resident: pages first, since a mapping costs more to come
 * back. */
static void make_good(struct heap *heap, size_t down_to)
{
    if (heap != NULL)
        heap_release_empty(heap);
    remote_purge_waiting(SIZE_MAX);
    purge_bytes(excess_over(down_to));
    huge_drop_oldest(excess_over(down_to));
}

static COLD void raise_peak(struct heap *heap, size_t from, size_t to)
{
    bool is_mine = atomic_compare_exchange_strong_explicit(&peak, &from, to, memory_order_relaxed,
                                                           memory_order_relaxed);
    if (!is_mine) /* another thread has raised it */
        return;
    make_good(heap, from);
    size_t excess = excess_over(to);
    if (excess > 0)
        atomic_store_explicit(&peak, to + excess, memory_order_relaxed);
}

void peak_check(struct heap *heap)
{
    size_t from = atomic_load_explicit(&peak, memory_order_relaxed), step = from / PEAK_PARTS;
    size_t to = from + (step > PEAK_STEP_MIN ? step : PEAK_STEP_MIN);
    if (UNLIKELY(resident() >= to))
        raise_peak(heap, from, to);
}
