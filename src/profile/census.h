/* census.h: numbers for all live blocks of the allocator, and the block around any word.
 *
 *   word ---> 64 KiB slot of the window ---> number of the pool's first block, + its index there
 *        ---> page of a run             ---> number of the run
 *        ---> sorted list of huge blocks ---> number of the huge block
 *
 * A number leads to a byte of flags, for the census and for its user. Free blocks have a number,
 * too, and the flag CENSUS_FREE: those that hang in the list of their pool, in the chain that
 * other threads have left there, in an outbox, or in the list of a heap that has them from the
 * starter; and those in holes. A block that a thread was just moving from list to list, when it was
 * stopped, counts as live.
 *
 * Between census_lock and census_unlock no memory of the allocator goes. Other threads should stand
 * still, so that no block is given out or freed; if they do not, blocks made since census_make have
 * no number. All memory of the census is one mapping of its own. */
#ifndef PROFILE_CENSUS_H
#define PROFILE_CENSUS_H

#include "alloc/map.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CENSUS_FREE = 1, CENSUS_USER = 2 /* this flag and those above are the user's */ };

struct census_block {
    uintptr_t start;
    size_t bytes;
    uint32_t number;
};

/* A run or a huge block. */
struct census_large {
    uintptr_t start;
    size_t bytes;
};

struct census {
    uint32_t *first;       /* by slot: the number of the pool's first block; one more at the end */
    uint32_t *run_by_page; /* by page of the arenas: 1 + index in `larges`; 0: no run */
    struct census_large *larges; /* runs in the order of addresses, then huge blocks likewise */
    uint8_t *flags;              /* by number */
    uint32_t slots;              /* in arenas that have been made usable */
    uint32_t pool_blocks;        /* blocks of pools: they have the first numbers */
    uint32_t runs, huges;
    uint32_t blocks; /* all numbers */
    size_t mapped_bytes;
};

/* Take and release the allocator's locks. False: the calling thread has interrupted the allocator
 * in a signal handler. */
bool census_lock(void);
void census_unlock(void);

/* Takes the census; false: no memory. census_free is due in any case. */
bool census_make(struct census *census);
void census_free(struct census *census);

/* Finds the block that a word points into: into a block that has a number and is not free. */
bool census_find(const struct census *census, uintptr_t word, struct census_block *found);

/* The block with that number. */
struct census_block census_block(const struct census *census, uint32_t number);

/* The pool that the block lies in; NULL for a run or a huge block. */
static inline const struct pool *census_pool(const struct census *census, uint32_t number,
                                             uintptr_t start)
{
    return number < census->pool_blocks ? map_pool((const void *)start) : NULL;
}

#endif
