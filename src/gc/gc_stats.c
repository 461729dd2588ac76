/* gc_stats.c: the sums. Any thread may read them while the collector adds: all accesses are atomic.
 */
#include "gc_stats.h"

#include "generation.h" // GENERATIONS
#include "straggler.h"  // straggler_missing_thread

#include "base/report.h"

#include <errno.h>
#include <stdbool.h>

static struct molt_gc_stats stats[GENERATIONS];

static uint64_t value_of(const uint64_t *number)
{
    return __atomic_load_n(number, __ATOMIC_RELAXED);
}

/* By the collector alone, so two stores never race. */
static void stats_add(uint64_t *number, uint64_t more)
{
    __atomic_store_n(number, value_of(number) + more, __ATOMIC_RELAXED);
}

/* What collections and slices have in common. */
static void note_outcome(struct molt_gc_stats *of, const struct collection *done, int error,
                         uint64_t duration_ns)
{
    stats_add(&of->skipped, error != 0);
    stats_add(&of->skipped_busy, error == EBUSY);
    stats_add(&of->collected, collection_freed(done));
    stats_add(&of->uncollectable, collection_uncollectable(done));
    stats_add(&of->duration_ns, duration_ns);
    if (duration_ns > value_of(&of->longest_ns))
        __atomic_store_n(&of->longest_ns, duration_ns, __ATOMIC_RELAXED);
}

void gc_stats_note(const struct collection *done, int error, uint64_t duration_ns)
{
    struct molt_gc_stats *of = &stats[done->generation];
    stats_add(&of->collections, 1);
    stats_add(&of->candidates, done->candidates);
    note_outcome(of, done, error, duration_ns);
}

void gc_stats_note_slice(const struct collection *slice, int error, uint64_t duration_ns)
{
    note_outcome(&stats[GENERATION_OLD], slice, error, duration_ns);
}

void gc_stats_note_cycle(size_t candidates)
{
    stats_add(&stats[GENERATION_OLD].collections, 1);
    stats_add(&stats[GENERATION_OLD].candidates, candidates);
}

void gc_stats_say(const struct collection *done, int error, uint64_t duration_ns)
{
    struct report_line line = {.length = 0};
    report_append(&line,
                  "molt: gc: generation %d: %zu objects, %zu unreachable, %zu revived, %zu us%s\n",
                  done->generation, done->candidates, done->unreachable, done->revived,
                  (size_t)(duration_ns / 1000), error != 0 ? ", skipped" : "");
    report_write(report_stderr(), line.text, line.length);
}

int molt_gc_get_stats(int generation, struct molt_gc_stats *out)
{
    if (generation < 0 || generation >= GENERATIONS || out == NULL) {
        errno = EINVAL;
        return -1;
    }
    const struct molt_gc_stats *of = &stats[generation];
    *out = (struct molt_gc_stats){
        .collections = value_of(&of->collections),
        .collected = value_of(&of->collected),
        .uncollectable = value_of(&of->uncollectable),
        .candidates = value_of(&of->candidates),
        .skipped = value_of(&of->skipped),
        .duration_ns = value_of(&of->duration_ns),
        .longest_ns = value_of(&of->longest_ns),
        .skipped_busy = value_of(&of->skipped_busy),
    };
    out->missing_thread = straggler_missing_thread(&out->missing_ns);
    return 0;
}
