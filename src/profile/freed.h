/* freed.h: recorded blocks that were freed lately, and where they were freed: what can be told of a
 * block that is freed twice, or written to after its free.
 *
 * A block's address leads to one of many buckets of eight slots, where the block takes the place of
 * the one that has been there for longest. So the latest few thousand are known.
 *
 * What is told is true, or nothing is told: it is forgotten when the block's address is given out
 * again. Runs and huge blocks, and those of pools that are recorded, come by one by one
 * (freed_forget). All others are given out by fast paths, but lie in pools that were not there when
 * the block was freed: so for each new pool its slot's generation goes up (freed_note_pool), and a
 * block that was freed in another one counts as forgotten; so do all when another profile begins.
 *
 * Any thread calls these functions at any time, in signal handlers, too: they wait for nothing, and
 * a fork after any instruction costs one slot at most. */
#ifndef PROFILE_FREED_H
#define PROFILE_FREED_H

#include "live.h" // struct record

#include <stdbool.h>
#include <stdint.h>

#define FREED_DEPTH_MAX 16

struct freed {
    const struct site *site;         /* where the block was counted while it lived */
    size_t size;                     /* that was asked for */
    uint32_t allocated_by, freed_by; /* the threads' ids */
    uint32_t profile;                /* see freed_profile */
    uint32_t generation;             /* of the slot that the block lies in */
    uint32_t depth;
    uintptr_t frames[FREED_DEPTH_MAX]; /* as in struct stack, of the free */
};

/* The number of the profile: how often all has been forgotten. */
uint32_t freed_profile(void);

/* A block with that record is about to be freed, by that thread and these functions. `profile` is
 * the number as it was before the record was taken out. */
void freed_note(const struct record *record, uint32_t profile, uint32_t thread,
                const uintptr_t *frames, unsigned depth);

/* The block is given out. */
void freed_forget(void *block);

/* A pool begins there. */
void freed_note_pool(const void *start);

/* Copies what is known of the block that was freed last at this address. */
bool freed_find(const void *block, struct freed *found);

/* Forgets all blocks: those, too, that are just being noted with the former number. */
void freed_forget_all(void);

#endif
