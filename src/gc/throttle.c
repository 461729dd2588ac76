/* throttle.c: waiting for the collector, as long as it makes progress. */
#include "throttle.h"

#include "collector.h"

#include "object/safepoint.h"
#include "os/os.h" // os_now_ms

#include <stdatomic.h>
#include <stdbool.h>

#define AHEAD 4           /* a thread may make so many times its limit before it waits */
#define NO_PROGRESS_MS 20 /* without progress for so long, it goes on */

static _Atomic unsigned progress; /* a counter */

void throttle_note_progress(void)
{
    unsigned now = atomic_load_explicit(&progress, memory_order_relaxed);
    atomic_store_explicit(&progress, now + 1, memory_order_relaxed);
}

/* False: the collector has stopped making progress. */
static bool wait_for_collector(struct owner *owner)
{
    unsigned seen = atomic_load_explicit(&progress, memory_order_relaxed);
    uint64_t end = os_now_ms() + NO_PROGRESS_MS;
    while (collector_is_running()) {
        safepoint_rest(owner);
        unsigned now = atomic_load_explicit(&progress, memory_order_relaxed);
        if (now != seen)
            end = os_now_ms() + NO_PROGRESS_MS;
        else if (os_now_ms() > end)
            return false;
        seen = now;
    }
    return true;
}

void throttle_wait(struct owner *owner, int32_t limit)
{
    if (owner->count / AHEAD < limit || owner->count < owner->wait_at || wait_for_collector(owner))
        return;
    owner->wait_at = owner->count < INT32_MAX / 2 ? owner->count * 2 : INT32_MAX;
}
