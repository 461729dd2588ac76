/* shared_counts.h: the counts that other threads than its owner have in an object: a word a block,
 * for a pool or a large object of which some object was ever shared or has a weak reference.
 * count.h says what a word means. */
#ifndef OBJECT_SHARED_COUNTS_H
#define OBJECT_SHARED_COUNTS_H

#include "header.h"
#include "gc_table.h" // large_of

#include "alloc/map.h"
#include "alloc/pool.h"
#include "base/attributes.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct shared_counts {
    uintptr_t start;            /* of the first object */
    size_t block_bytes;         /* of an object */
    uint32_t reciprocal;        /* ceil(2^32 / block_bytes) */
    uint32_t capacity;          /* objects that fit */
    struct owner *owner;        /* whose objects they are */
    struct shared_counts *next; /* in the owner's queue (count.h), or of those to be freed */
    atomic_bool is_queued;      /* in the owner's queue; under gc_table_lock */
    bool is_gone;               /* the pool is gone, but not the place in the queue */
    _Atomic uint32_t words[];
};

/* The shared counts around an object, made if there are none; NULL when there is no memory. */
struct shared_counts *shared_counts_make(const void *object);

/* The shared counts of a pool or large object go with it, as soon as memory may be freed. Under
 * gc_table_lock.
 */
void shared_counts_gone(struct shared_counts **at);

/* They are to be freed. Under gc_table_lock. */
void shared_counts_put_gone(struct shared_counts *counts);

/* Frees what went with its pools; in a visitor, which holds gc_table_lock, nothing. */
void shared_counts_free_gone(void);

/* Another thread may be making them. */
static inline bool shared_counts_are_none(const struct pool *pool)
{
    return __atomic_load_n(&pool->shared_counts, __ATOMIC_ACQUIRE) == NULL;
}

static inline struct shared_counts *shared_counts_if_any(const void *object, uint64_t header)
{
    struct shared_counts **at = UNLIKELY((header & HEADER_LARGE) != 0)
                                    ? &large_of(object)->shared_counts
                                    : &map_pool(object)->shared_counts;
    return __atomic_load_n(at, __ATOMIC_ACQUIRE);
}

static inline _Atomic uint32_t *shared_counts_word(struct shared_counts *counts, const void *object)
{
    return &counts->words[((uintptr_t)object - counts->start) * counts->reciprocal >> 32];
}

#endif
