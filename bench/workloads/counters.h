/* counters.h: tiny blocks that a thread writes over and over, for the two kinds of false sharing.
 *
 * A counter stands between the two stamps of its block. */
#ifndef COUNTERS_H
#define COUNTERS_H

#include "workload.h"

enum {
    COUNTERS = 8, /* that a thread has at a time */
    BUMPS = 250,  /* of each counter before it is freed */
    COUNTER_BYTES = 3 * WORD,
    COUNTER_OFFSET = WORD,
};

static inline volatile uint64_t *counter_of(const struct block *block)
{
    return (volatile uint64_t *)(void *)(block->start + COUNTER_OFFSET);
}

static inline void counters_get(struct worker *worker, struct block *blocks, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        block_get(worker, &blocks[i], COUNTER_BYTES);
        *counter_of(&blocks[i]) = 0;
    }
}

static inline void counters_bump(const struct block *blocks)
{
    for (size_t bump = 0; bump < BUMPS; bump++) {
        for (size_t i = 0; i < COUNTERS; i++) {
            volatile uint64_t *counter = counter_of(&blocks[i]);
            *counter = *counter + 1;
        }
    }
}

static inline void counters_put(struct worker *worker, struct block *blocks)
{
    for (size_t i = 0; i < COUNTERS; i++) {
        if (*counter_of(&blocks[i]) != BUMPS)
            fail("block %p of %u bytes was overwritten", (void *)blocks[i].start, blocks[i].size);
        block_put(worker, &blocks[i]);
    }
}

#endif
