/* refill.h: where the next blocks of a class come from, when the heap's list is empty.
 *
 *   1. what other threads have freed of the heap's pools (remote.h)
 *   2. a PARTIAL pool with free blocks
 *   3. such a pool of a parked heap (registry.h)
 *   4. the heap's first blocks of the class (starter.h)
 *   5. room in the ACTIVE pool: a hole (hole.h), or the next page that is carved
 *   6. room in another pool
 *   7. a new pool
 */
#ifndef ALLOC_REFILL_H
#define ALLOC_REFILL_H

#include <stdbool.h>

struct block;
struct heap;

/* What is known of a block besides. */
struct refill {
    bool is_zero;    /* all its bytes behind the link are zero */
    bool is_sampled; /* its allocation is sampled (sample.h) */
};

/* A block of the class, for a heap from whose list none could be popped: the list is empty, or its
 * first block is marked. NULL when there is no memory. The caller has entered the heap. */
struct block *refill_block(struct heap *heap, unsigned size_class, struct refill *about);

#endif
