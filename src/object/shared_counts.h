/* shared_counts.h: the counts that threads other than the owner have in objects: a word for each
 * block of a pool, or for a large object. count.h says what a word holds.
 *
 * A pool gets them when one of its objects is first counted by another thread, or gets a weak
 * reference, and keeps them to its end. One compare-and-swap installs them, so readers take no
 * lock. When the pool goes they go with it, under gc_table_lock; those that are in an owner's queue
 * then (count.h) stay there, marked as gone, until that is emptied. Memory is freed later, by
 * shared_counts_free_gone, since the allocator is in the middle of its work when a pool goes. */
#ifndef OBJECT_SHARED_COUNTS_H
#define OBJECT_SHARED_COUNTS_H

#include "gc_table.h" // large_of
#include "header.h"

#include "alloc/map.h"
#include "alloc/pool.h"
#include "base/attributes.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct shared_counts {
    uintptr_t start;            /* address of the first block */
    size_t block_bytes;         /* bytes of an object with its extra words */
    uint32_t reciprocal;        /* (address - start) * reciprocal >> 32 is a block's index */
    uint32_t capacity;          /* blocks that fit */
    struct owner *owner;        /* owner of the objects */
    struct shared_counts *next; /* in the owner's queue (count.h), or among those to be freed */
    atomic_bool is_queued;      /* linked in the owner's queue; changed under gc_table_lock */
    bool is_gone;               /* the pool is gone, but the queue still holds these */
    _Atomic uint32_t words[];   /* a word for each block */
};

/* The shared counts with a word for the object, made if there are none. NULL: no memory. */
struct shared_counts *shared_counts_make(const void *object);

/* A pool or large object goes, and its shared counts with it. Under gc_table_lock. */
void shared_counts_gone(struct shared_counts **at);

/* The counts of a pool that is gone have left the queue. Under gc_table_lock. */
void shared_counts_put_gone(struct shared_counts *counts);

/* Frees those of pools that are gone; nothing in a visitor, whose thread holds gc_table_lock. */
void shared_counts_free_gone(void);

/* Whether the pool has no shared counts. Another thread may be about to install some. */
static inline bool shared_counts_are_none(const struct pool *pool)
{
    return __atomic_load_n(&pool->shared_counts, __ATOMIC_ACQUIRE) == NULL;
}

/* The shared counts with a word for the object, or NULL. */
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
