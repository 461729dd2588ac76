/* slice.c: stops the world for a slice, and sums up what a cycle has found. */
#include "slice.h"

#include "collect.h"
#include "collector.h"
#include "debug.h"
#include "gc_stats.h"
#include "generation.h" // GENERATION_OLD
#include "incremental.h"
#include "pacing.h"
#include "straggler.h"
#include "validate.h"

#include "base/options.h"
#include "object/gc_table.h" // gc_table_lock_acquire
#include "os/os.h"

#include <errno.h>

static size_t cycle_collected; /* garbage that the cycle has freed so far */

void slice_abandon_cycle(void)
{
    gc_table_lock_acquire();
    incremental_end();
    gc_table_lock_release();
    cycle_collected = 0;
}

/* The candidates that were not freed have survived. */
static void note_cycle(size_t candidates)
{
    gc_stats_note_cycle(candidates);
    pacing_note_cycle(candidates > cycle_collected ? candidates - cycle_collected : 0);
    cycle_collected = 0;
}

/* When a slice that begins now has to end. One of no length would never get on, so 0 is as 1. */
static uint64_t slice_deadline_ns(void)
{
    uint64_t ns, end;
    uint64_t us = options.gc_slice != 0 ? options.gc_slice : 1;
    bool is_endless = __builtin_mul_overflow(us, 1000 * pacing_slice_lengths(), &ns) ||
                      __builtin_add_overflow(os_now_ns(), ns, &end);
    return is_endless ? UINT64_MAX : end;
}

/* Does the slice's work in a stopped world, which is resumed. 0, or an error number. */
static int work_on_slice(struct collection *slice)
{
    size_t candidates = 0;
    gc_table_lock_acquire();
    validate_tables(GENERATION_YOUNG);
    struct gc_table *tables = NULL;
    bool runs = incremental_is_running() || incremental_begin();
    if (runs)
        tables = incremental_slice(pacing_slice_objects(), slice_deadline_ns(), &candidates);
    bool ended = runs && !incremental_is_running();
    int error = collect_tables(slice, tables);
    cycle_collected += slice->unreachable;
    if (ended)
        note_cycle(candidates);
    return runs ? error : ENOMEM;
}

long slice_run(void)
{
    uint64_t start = os_now_ns();
    struct collection slice = debug_collection(GENERATION_OLD, straggler_patience_ms());
    slice.is_partial = true;
    int error = collector_stop_world(slice.stop_ms) ? work_on_slice(&slice) : EBUSY;
    straggler_note_attempt(error == 0);
    gc_stats_note_slice(&slice, error, os_now_ns() - start);
    return collect_result(&slice, error);
}
