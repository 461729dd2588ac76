/* freeze.c: the permanent generation, which no collection traverses. */
#include "exclusive.h"
#include "generation.h"
#include "pacing.h" // pacing_reset_counts

size_t molt_gc_frozen_count(void)
{
    struct exclusive exclusive;
    if (exclusive_begin(&exclusive) != 0)
        return 0;
    size_t count = generation_visit(GENERATION_FROZEN, NULL, NULL);
    exclusive_end(&exclusive);
    return count;
}

void molt_gc_freeze(void)
{
    struct exclusive exclusive;
    if (exclusive_begin_still(&exclusive) != 0)
        return;
    generation_freeze();
    pacing_reset_counts(GENERATION_OLD);
    exclusive_end(&exclusive);
}

void molt_gc_unfreeze(void)
{
    struct exclusive exclusive;
    if (exclusive_begin_still(&exclusive) != 0)
        return;
    generation_unfreeze();
    exclusive_end(&exclusive);
}
