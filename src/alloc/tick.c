/* tick.c: what is done now and then. */
#include "tick.h"

#include "heap.h"
#include "huge.h"
#include "purge.h"
#include "registry.h"
#include "remote.h"

#include "os/os.h"

#define SOON_MS 4u /* the clock's own step */
#define LATE_MS 20u

static void adapt(struct heap *heap, uint64_t elapsed_ms)
{
    if (elapsed_ms < SOON_MS && heap->tick_frees < TICK_FREES_MAX)
        heap->tick_frees *= 2;
    else if (elapsed_ms > LATE_MS && heap->tick_frees > 1)
        heap->tick_frees /= 2;
}

void tick(struct heap *heap)
{
    uint64_t now = os_now_ms();
    uint64_t elapsed = now - heap->looked_ms;
    heap->tick_due = false;
    adapt(heap, elapsed);
    if (elapsed == 0)
        return;
    heap->looked_ms = now;
    remote_flush(heap);
    run_cache_empty(&heap->runs);
    registry_reap(now);
    purge_tick(now);
    huge_tick(now);
}
