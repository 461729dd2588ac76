/* gc.c: runs collections: that the program asks for, that are due inside molt_new, and the last one
 * when the program ends; with the callbacks, notes and statistics around each. */
#include "gc.h"

#include "callback.h"
#include "collect.h"
#include "collector.h"
#include "debug.h"
#include "deferral.h"
#include "gc_stats.h"
#include "generation.h"
#include "incremental.h" // incremental_is_running
#include "pacing.h"
#include "slice.h"
#include "straggler.h"
#include "throttle.h"

#include "base/options.h"
#include "object/attach.h"
#include "object/blocking.h"
#include "object/count.h" // count_merge_queue
#include "os/os.h"        // os_now_ns

#include <errno.h>

/* How long a collection that the program asks for waits for other threads to stop. Automatic ones:
 * straggler_patience_ms. */
#define STOP_MS_EXPLICIT 1000

static void note_collection(const struct collection *done, int error, uint64_t duration_ns,
                            bool automatic)
{
    straggler_note_attempt(error == 0);
    if (automatic || error == 0)
        pacing_note_put_off(done->generation, error);
    pacing_note_sizes(done, error);
    if (automatic && done->generation == GENERATION_OLD && error == 0)
        pacing_note_yield(done->unreachable, done->candidates);
    gc_stats_note(done, error, duration_ns);
    if (done->says_statistics)
        gc_stats_say(done, error, duration_ns);
}

/* By the collector. Returns the number of unreachable objects, or -1 and errno. */
static long collect_generation(int generation, bool automatic)
{
    struct collection collection =
        debug_collection(generation, automatic ? straggler_patience_ms() : STOP_MS_EXPLICIT);
    struct molt_gc_info info = {.generation = generation};
    callback_call_all(MOLT_GC_START, &info);
    pacing_reset_counts(generation);
    if (generation == GENERATION_OLD)
        slice_abandon_cycle();
    uint64_t start = os_now_ns();
    int error = collect(&collection);
    info.duration_ns = os_now_ns() - start;
    note_collection(&collection, error, info.duration_ns, automatic);
    info.collected = collection_freed(&collection);
    info.uncollectable = collection_uncollectable(&collection);
    info.candidates = collection.candidates;
    callback_call_all(MOLT_GC_STOP, &info);
    return collect_result(&collection, error);
}

long molt_gc_collect(int generation)
{
    if (generation < 0 || generation >= GENERATIONS) {
        errno = EINVAL;
        return -1;
    }
    if (collector_is_mine() || owner_must_not_count())
        return 0;
    bool begins;
    if (collector_begin(&begins) != 0)
        return -1;
    count_merge_queue(owner_self);
    long found = collect_generation(generation, false);
    if (found >= 0)
        deferral_forget();
    collector_end();
    return found;
}

/* collect_generation for what is due; with MOLT=gc=incremental the full one is done in slices. */
static long collect_due(void)
{
    int generation = pacing_due_generation();
    bool slice =
        options.gc == GC_INCREMENTAL && (generation == GENERATION_OLD || incremental_is_running());
    if (slice && generation == GENERATION_OLD)
        generation = pacing_due_young();
    long found = collect_generation(generation, true);
    long more = slice ? slice_run() : 0;
    if (found < 0 || more < 0)
        return -1;
    deferral_forget();
    return found + more;
}

/* Collects inside molt_new, unless this is a callback of a collection; or waits for another thread
 * that collects, if it is too slow. */
static void collect_or_wait(void)
{
    if (collector_is_mine())
        return;
    if (!collector_try_begin()) {
        throttle_wait(owner_self, pacing_limit());
        return;
    }
    int saved = errno;
    collect_due();
    errno = saved;
    collector_end();
}

void gc_new_object(struct owner *owner, bool is_tracked)
{
    if (!is_tracked)
        return;
    pacing_count_new(owner);
    if (!pacing_is_due(owner))
        return;
    if (deferral_on())
        deferral_note_due();
    else
        collect_or_wait();
}

/* Waits neither for another collector nor for long for a thread that sleeps. */
void gc_collect_at_exit(void)
{
    if (!collector_try_begin())
        return;
    blocking_end_all();
    struct owner *owner = options.objects ? attach_thread() : owner_self;
    if (owner != NULL) {
        count_merge_queue(owner);
        collect_generation(GENERATION_OLD, true);
    }
    collector_end();
}

long molt_gc_run_deferred(void)
{
    if (collector_is_mine() || owner_must_not_count())
        return 0;
    if (owner_self != NULL)
        count_merge_queue(owner_self);
    bool begins;
    if (!deferral_is_due())
        return 0;
    if (collector_begin(&begins) != 0)
        return -1;
    long found = collect_due();
    collector_end();
    return found;
}
