/* peak.c: the peak, the steps beyond it, and those beyond the soft limit. */
#include "peak.h"

#include "arena.h"
#include "dig.h"
#include "heap.h"
#include "huge.h"
#include "limit.h"
#include "purge.h"
#include "refresh.h"
#include "remote.h"
#include "span_cache.h" // span_totals

#include "base/attributes.h"
#include "base/tunables.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static _Atomic size_t peak;

/* So much memory is above the soft limit by a step. */
static _Atomic size_t soft_mark = SIZE_MAX;

/* The lower of the next step beyond the peak and of soft_mark. */
static _Atomic size_t next_check = PEAK_STEP_MIN;

static size_t load(const _Atomic size_t *value)
{
    return atomic_load_explicit(value, memory_order_relaxed);
}

static void store(_Atomic size_t *value, size_t bytes)
{
    atomic_store_explicit(value, bytes, memory_order_relaxed);
}

/* Whether the caller is the one that changes the value, which another thread may have done. */
static bool replace(_Atomic size_t *value, size_t from, size_t to)
{
    return atomic_compare_exchange_strong_explicit(value, &from, to, memory_order_relaxed,
                                                   memory_order_relaxed);
}

static size_t step_beyond(size_t bytes)
{
    return bytes / PEAK_PARTS > PEAK_STEP_MIN ? bytes / PEAK_PARTS : PEAK_STEP_MIN;
}

static size_t excess_over(size_t bytes)
{
    size_t now = limit_resident();
    return now > bytes ? now - bytes : 0;
}

/* ---- The peak ---- */

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

static void raise_peak(struct heap *heap, size_t from, size_t to)
{
    if (!replace(&peak, from, to))
        return;
    make_good(heap, from);
    size_t excess = excess_over(to);
    if (excess > 0)
        store(&peak, to + excess);
}

/* ---- The soft limit ---- */

/* The limit from which on free memory goes back: the hard one, if that is lower. 0: none. */
static size_t soft_limit(void)
{
    size_t soft = __atomic_load_n(&limits.soft, __ATOMIC_RELAXED);
    size_t hard = __atomic_load_n(&limits.hard, __ATOMIC_RELAXED);
    return soft == 0 || (hard != 0 && hard < soft) ? hard : soft;
}

/* Where the next growth is above the limit by a step: a step above what is resident now, at least
 * the limit. So a program that stays above the limit gives back once for each step that it grows.
 */
static size_t next_soft_mark(void)
{
    size_t soft = soft_limit(), mark = limit_resident() + step_beyond(soft);
    return soft == 0 ? SIZE_MAX : mark > soft ? mark : soft;
}

/* Gives back all that is free: of other heaps what needs no waiting for them. */
static void give_back(struct heap *heap)
{
    size_t quota = SIZE_MAX;
    if (heap != NULL && heap_may_shorten_lists(heap)) {
        run_cache_empty(&heap->runs);
        heap_release_empty(heap);
        heap->dig_round = 0; /* a round that is under way may be for idle pools only */
        dig_holes(heap, false, &quota);
    }
    remote_purge_waiting(SIZE_MAX);
    purge_now();
    huge_drop_oldest(SIZE_MAX);
}

static void obey_soft_limit(struct heap *heap, size_t mark)
{
    if (!replace(&soft_mark, mark, limit_resident() + step_beyond(soft_limit())))
        return;
    give_back(heap);
    store(&soft_mark, next_soft_mark());
}

/* Idle pages and kept spans. */
static size_t free_bytes(void)
{
    return (__atomic_load_n(&arena_totals.idle_pages, __ATOMIC_RELAXED) << os_page_shift) +
           __atomic_load_n(&span_totals.cached_bytes, __ATOMIC_RELAXED);
}

/* ---- Both ---- */

static void set_next_check(void)
{
    size_t from = load(&peak), to = from + step_beyond(from), mark = load(&soft_mark);
    store(&next_check, mark < to ? mark : to);
}

static COLD void grow_beyond(struct heap *heap)
{
    size_t from = load(&peak), to = from + step_beyond(from), mark = load(&soft_mark);
    if (limit_resident() >= to)
        raise_peak(heap, from, to);
    if (limit_resident() >= mark)
        obey_soft_limit(heap, mark);
    set_next_check();
}

bool peak_is_due(void)
{
    return limit_resident() >= load(&next_check);
}

void peak_check(struct heap *heap)
{
    if (UNLIKELY(peak_is_due()))
        grow_beyond(heap);
    if (heap != NULL) /* else a signal handler may have interrupted the holder of a lock */
        refresh_check();
}

/* The mark goes down with the memory, so that it is at the limit again when memory is below that.
 */
void peak_tick(struct heap *heap)
{
    size_t soft = soft_limit(), mark = load(&soft_mark);
    if (LIKELY(soft == 0))
        return;
    if (limit_resident() > soft && free_bytes() >= step_beyond(soft))
        obey_soft_limit(heap, mark);
    else if (next_soft_mark() < mark)
        replace(&soft_mark, mark, next_soft_mark());
    set_next_check();
}

void peak_set_limits(void)
{
    limit_set();
    store(&soft_mark, soft_limit() == 0 ? SIZE_MAX : soft_limit());
    set_next_check();
}
