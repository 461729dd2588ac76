/* tick.c: what is done now and then. */
#include "tick.h"

#include "arena.h" // arena_totals
#include "background.h"
#include "dig.h"
#include "heap.h"
#include "huge.h"
#include "purge.h"
#include "reap.h"
#include "registry.h"
#include "remote.h"

#include "base/options.h"
#include "os/os.h"

#define SOON_MS 4u /* the clock's own step */
#define LATE_MS 20u

/* What has been released lately is back with the OS by then. */
#define BACK_AFTER_DECAYS 3u

static bool has_idle_pages(void)
{
    size_t pages = __atomic_load_n(&arena_totals.idle_pages, __ATOMIC_RELAXED);
    return pages << os_page_shift >= ARM_BYTES;
}

/* A program that has become quiet looks at each call while there is something to return: the few
 * that it makes must do. */
static void adapt(struct heap *heap, uint64_t now, uint64_t elapsed)
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
    else if (elapsed < SOON_MS && !heap->tidies && heap->tick_frees < most)
        heap->tick_frees *= 2;
}

/* Pages of the heap's own pools, and of those whose blocks all wait for an owner that sleeps, by a
 * portion of what the time allows. Whether there is more to do at once. */
static bool return_from_pools(struct heap *heap, uint64_t now, uint64_t elapsed)
{
    if (!heap->digs) {
        if (now - heap->dug_ms < options.decay)
            return false;
        heap->digs = true;
        heap->dig_quota = 0;
        heap->dug_ms = now;
    }
    if (elapsed > 0)
        heap->dig_quota = purge_raise_quota(heap->dig_quota, elapsed);
    size_t portion = heap->dig_quota < PURGE_PORTION ? heap->dig_quota : PURGE_PORTION;
    heap->dig_quota -= portion;
    bool is_done = remote_purge_sleepers(options_decayed_ms(now), &portion);
    heap->digs = !dig_holes(heap, true, &portion) || !is_done;
    return heap->digs && heap->dig_quota > 0;
}

void tick(struct heap *heap)
{
    uint64_t now = os_now_ms();
    uint64_t elapsed = now - heap->looked_ms;
    heap->tick_due = false;
    if (heap->released_ms == 0)
        background_notify();
    adapt(heap, now, elapsed);
    if (elapsed == 0 && !heap->tidies)
        return;
    __atomic_store_n(&heap->looked_ms, now, __ATOMIC_RELAXED);
    if (elapsed > 0) {
        remote_flush(heap);
        run_cache_empty(&heap->runs);
        reap_tick(now);
        registry_call_quiet(heap, now);
        huge_tick(now);
    }
    bool more = purge_tick(now);
    heap->tidies = return_from_pools(heap, now, elapsed) || more;
}
