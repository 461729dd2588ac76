/* tick.c: what is due, and when the next tick comes. */
#include "tick.h"

#include "arena.h" // arena_totals
#include "background.h"
#include "dig.h"
#include "heap.h"
#include "huge.h"
#include "peak.h"
#include "purge.h"
#include "reap.h"
#include "refresh.h"
#include "registry.h"
#include "remote.h"
#include "sample.h"

#include "base/options.h"
#include "os/os.h"

/* A tick that comes so early makes the next one rarer (4 ms is the step of the kernel's clock), and
 * one that comes so late makes it more frequent. */
#define SOON_MS 4u
#define LATE_MS 20u

/* So many times `decay` after a release its memory is back with the OS. */
#define BACK_AFTER_DECAYS 3u

static bool has_idle_pages(void)
{
    size_t pages = __atomic_load_n(&arena_totals.idle_pages, __ATOMIC_RELAXED);
    return pages << os_page_shift >= ARM_BYTES;
}

/* Sets how many frees pass until the next tick. While there is memory to return, a tick that comes
 * late makes each call tick: a program that has become quiet makes few. */
static void adapt_interval(struct heap *heap, uint64_t now, uint64_t elapsed)
{
    if (heap->released_ms == 0)
        heap->released_ms = now;
    bool is_back = now - heap->released_ms > options.decay * BACK_AFTER_DECAYS;
    uint32_t most = is_back ? TICK_FREES_MAX : TICK_FREES_AFTER_RELEASE;
    bool is_clear = is_back && !has_idle_pages();
    if (elapsed > LATE_MS && !is_clear)
        heap_arm(heap);
    else if (elapsed > LATE_MS && heap->tick_frees > 1)
        heap->tick_frees /= 2;
    else if (elapsed < SOON_MS && !heap->ticks_again && heap->tick_frees < most)
        heap->tick_frees *= 2;
}

/* Returns pages from within pools: the heap's own, and those whose blocks all wait for an owner
 * that sleeps; a portion of what the time since the last tick allows. Whether there is more to do
 * at once. */
static bool return_from_pools(struct heap *heap, uint64_t now, uint64_t elapsed)
{
    if (!heap->is_digging) {
        if (now - heap->dig_began_ms < options.decay)
            return false;
        heap->is_digging = true;
        heap->dig_quota = 0;
        heap->dig_began_ms = now;
    }
    if (elapsed > 0)
        heap->dig_quota = purge_raise_quota(heap->dig_quota, elapsed);
    size_t portion = heap->dig_quota < PURGE_PORTION ? heap->dig_quota : PURGE_PORTION;
    heap->dig_quota -= portion;
    bool is_done = remote_purge_sleepers(options_decayed_ms(now), &portion);
    heap->is_digging = !dig_holes(heap, true, &portion) || !is_done;
    return heap->is_digging && heap->dig_quota > 0;
}

void tick(struct heap *heap)
{
    uint64_t now = os_now_ms();
    uint64_t elapsed = now - heap->ticked_ms;
    heap->tick_due = false;
    sample_follow(heap);
    if (heap->released_ms == 0)
        background_notify();
    adapt_interval(heap, now, elapsed);
    peak_tick(heap);
    refresh_if_due(now);
    if (elapsed == 0 && !heap->ticks_again)
        return;
    __atomic_store_n(&heap->ticked_ms, now, __ATOMIC_RELAXED);
    if (elapsed > 0) {
        remote_flush(heap);
        run_cache_empty(&heap->runs);
        reap_tick(now);
        registry_call_quiet(heap, now);
        huge_tick(now);
    }
    bool more = purge_tick(now);
    heap->ticks_again = return_from_pools(heap, now, elapsed) || more;
}
