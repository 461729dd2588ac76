/* gc.c: runs collections: those that are asked for, those that are due inside molt_new, the last
 * one at the program's end. */
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

/* Waiting for other threads, for who asked for it; straggler.h says how long a molt_new does. */
#define STOP_MS_EXPLICIT 1000

/* The calling thread collects. The unreachable objects, or -1 and errno. */
static long collect_generation(int generation, bool automatic)
{
    struct collection collection =
        debug_collection(generation, automatic ? straggler_patience_ms() : STOP_MS_EXPLICIT);
    struct molt_gc_info info = {.generation = generation};
    callback_call_all(MOLT_GC_START, &info);
    pacing_reset_counts(generation);
    if (generation == GENERATION_OLD)
        slice_abandon_cycle(); /* it is all done at once now */
    uint64_t start = os_now_ns();
    int error = collect(&collection);
    uint64_t duration = os_now_ns() - start;
    straggler_note_attempt(error == 0);
    if (automatic || error == 0)
        pacing_note_put_off(generation, error);
    pacing_note_sizes(&collection, error);
    if (automatic && generation == GENERATION_OLD && error == 0)
        pacing_note_yield(collection.unreachable, collection.candidates);
    gc_stats_note(&collection, error, duration);
    if (collection.says_statistics)
        gc_stats_say(&collection, error, duration);
    info.collected = collection_freed(&collection);
    info.uncollectable = collection_uncollectable(&collection);
    info.candidates = collection.candidates;
    info.duration_ns = duration;
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
    int error = collector_begin(&begins);
    if (error != 0) {
        errno = error;
        return -1;
    }
    count_merge_queue(owner_self);
    long found = collect_generation(generation, false);
    if (found >= 0)
        deferral_forget();
    collector_end();
    return found;
}

/* By who collects: that generation, in the way that the options want. As collect_generation(). */
static long run_due(int generation)
{
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

/* Inside molt_new. */
static void collect_now(void)
{
    if (collector_is_mine())
        return;
    if (!collector_try_begin()) {
        throttle_wait(owner_self, pacing_limit());
        return;
    }
    int saved = errno;
    run_due(pacing_due_generation());
    errno = saved;
    collector_end();
}

static long collect_due(void)
{
    bool begins;
    int error = collector_begin(&begins);
    if (error != 0) {
        errno = error;
        return -1;
    }
    long found = run_due(pacing_due_generation());
    collector_end();
    return found;
}

/* A thread is about to make an object. */
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
        collect_now();
}

/* A thread that sleeps on, or another collection, shall not keep the program waiting. */
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
    return deferral_is_due() ? collect_due() : 0;
}
