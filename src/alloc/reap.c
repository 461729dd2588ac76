/* reap.c: which heaps are due, and how much of them at once. */
#include "reap.h"

#include "dig.h"
#include "heap.h"
#include "map.h"
#include "purge.h" // purge_raise_quota, PURGE_PORTION_LOCKED
#include "registry.h"
#include "remote.h"
#include "shared.h"
#include "starter.h"

#include "base/options.h"

/* Reaps a heap, under the lock, which keeps it from being adopted. If it was parked before
 * `parked_before_ms`, empty pools and free pages of it go back, as far as the quota allows: once,
 * since nothing changes there until threads free blocks of it. Whether nothing is left to do. */
static bool reap_portion(struct heap *heap, uint64_t parked_before_ms, size_t *quota)
{
    if (heap_state(heap) != HEAP_PARKED && heap_state(heap) != HEAP_SHARED)
        return true;
    bool something = remote_waits(heap);
    bool is_due = heap->ticked_ms <= parked_before_ms && (something || !heap->is_reaped);
    if (!something && !is_due)
        return true;
    heap_begin_slow(heap);
    remote_collect(heap);
    if (is_due) {
        heap_release_empty(heap);
        starter_take_back(heap);
    }
    /* In shared heaps no holes are dug: they would never fill them. */
    heap->is_reaped = is_due && (heap_state(heap) == HEAP_SHARED || dig_holes(heap, false, quota));
    heap_end_slow(heap);
    return heap->is_reaped || !is_due;
}

/* Reaping a heap takes some microseconds. About a tenth of the time since the last tick may be
 * spent on that, and as much on pages from within pools. Few heaps are reaped at once, so that no
 * thread waits for the lock for long. */
#define REAPED_PER_MS 16u
#define REAPED_MAX 1024u
#define REAPED_AT_ONCE 16u

static uint32_t cursor; /* the heap that was reaped last */

/* How many heaps to reap. While none is parked only the starter has something to reap. */
static uint32_t heaps_due(uint64_t elapsed_ms)
{
    if (!registry_has_parked())
        return 0;
    uint64_t due =
        elapsed_ms < REAPED_MAX / REAPED_PER_MS ? elapsed_ms * REAPED_PER_MS : REAPED_MAX;
    return due < map.heap_end ? (uint32_t)due : map.heap_end;
}

/* Reaps up to `due` heaps from the cursor on; returns how many it is done with. */
static uint32_t reap_some(uint32_t due, uint64_t parked_before_ms, size_t *portion)
{
    uint32_t done = 0;
    while (*portion > 0 && done < due && done < REAPED_AT_ONCE) {
        uint32_t next = cursor % map.heap_end + 1;
        if (!reap_portion(map_heap(next), parked_before_ms, portion))
            break;
        cursor = next;
        done++;
    }
    return done;
}

void reap_tick(uint64_t now_ms)
{
    static uint64_t reaped_ms; /* the last call's time, under the lock */
    uint64_t parked_before = options_decayed_ms(now_ms);
    bool has_shared = shared_heap(SHARED_STARTER) != NULL || shared_heap(SHARED_SAMPLED) != NULL;
    if ((!registry_has_parked() && !has_shared) || !lock_try(&registry_lock))
        return;
    uint64_t elapsed = now_ms - reaped_ms;
    uint32_t left = heaps_due(elapsed);
    size_t quota = purge_raise_quota(0, elapsed);
    reaped_ms = now_ms;
    for (unsigned i = 0; i < SHARED_HEAPS; i++)
        if (shared_heap(i) != NULL)
            reap_portion(shared_heap(i), parked_before, &quota);
    while (left > 0 && quota > 0) {
        size_t portion = quota < PURGE_PORTION_LOCKED ? quota : PURGE_PORTION_LOCKED;
        quota -= portion;
        left -= reap_some(left, parked_before, &portion);
        quota += portion;
        lock_release(&registry_lock);
        lock_acquire(&registry_lock);
    }
    lock_release(&registry_lock);
}

/* Reaps a heap to its end, by portions. */
static void reap_whole(struct heap *heap)
{
    for (bool is_done = false; !is_done;) {
        size_t portion = PURGE_PORTION_LOCKED;
        lock_acquire(&registry_lock);
        is_done = reap_portion(heap, UINT64_MAX, &portion);
        lock_release(&registry_lock);
    }
}

void reap_all(void)
{
    for (uint32_t number = 1; number <= map.heap_end; number++)
        reap_whole(map_heap(number));
    for (unsigned i = 0; i < SHARED_HEAPS; i++) /* other heaps have just returned blocks to them */
        if (shared_heap(i) != NULL)
            reap_whole(shared_heap(i));
}
