/* freeze.c: the permanent generation, which no collection looks at. */
#include "generation.h"
#include "pacing.h" // pacing_reset_counts
#include "pause.h"

/* Reads headers alone, so the others need not stand still. */
size_t molt_gc_frozen_count(void)
{
    struct pause pause;
    int error = pause_begin(&pause);
    if (error != 0) {
        pause_fail(error);
        return 0;
    }
    size_t count = generation_visit(GENERATION_FROZEN, NULL, NULL);
    pause_end(&pause);
    return count;
}

void molt_gc_freeze(void)
{
    struct pause pause;
    int error = pause_begin_still(&pause);
    if (error != 0) {
        pause_fail(error);
        return;
    }
    generation_freeze();
    pacing_reset_counts(GENERATION_OLD);
    pause_end(&pause);
}

void molt_gc_unfreeze(void)
{
    struct pause pause;
    int error = pause_begin_still(&pause);
    if (error != 0) {
        pause_fail(error);
        return;
    }
    generation_unfreeze();
    pause_end(&pause);
}
