/* freeze.c: the permanent generation, which no collection traverses. */
#include "generation.h"
#include "pacing.h" // pacing_reset_counts
#include "pause.h"

size_t molt_gc_frozen_count(void)
{
    struct pause pause;
    if (pause_begin(&pause) != 0)
        return 0;
    size_t count = generation_visit(GENERATION_FROZEN, NULL, NULL);
    pause_end(&pause);
    return count;
}

void molt_gc_freeze(void)
{
    struct pause pause;
    if (pause_begin_still(&pause) != 0)
        return;
    generation_freeze();
    pacing_reset_counts(GENERATION_OLD);
    pause_end(&pause);
}

void molt_gc_unfreeze(void)
{
    struct pause pause;
    if (pause_begin_still(&pause) != 0)
        return;
    generation_unfreeze();
    pause_end(&pause);
}
