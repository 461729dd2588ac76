/* shares.h: the counts that other threads than its owner have in an object: a word a block, for a
 * pool or a large object of which some object was ever shared or has a weak reference. count.h says
 * what a word means. */
#ifndef OBJECT_SHARES_H
#define OBJECT_SHARES_H

#include "header.h"
#include "side.h" // large_of

#include "alloc/map.h"
#include "alloc/pool.h"
#include "base/attributes.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct shares {
    uintptr_t start;       /* of the first object */
    size_t block_bytes;    /* of an object */
    uint32_t reciprocal;   /* ceil(2^32 / block_bytes) */
    uint32_t capacity;     /* objects that fit */
    struct owner *owner;   /* whose objects they are */
    struct shares *next;   /* in the owner's queue (count.h), or of those to be freed */
    atomic_bool is_queued; /* in the owner's queue; under side_lock */
    bool is_gone;          /* the pool is gone, but not the place in the queue */
    _Atomic uint32_t words[];
};

/* The shares around an object, made if there are none; NULL when there is no memory. */
struct shares *shares_make(const void *object);

/* The shares of a pool or large object go with it, as soon as memory may be freed. Under side_lock.
 */
void shares_gone(struct shares **at);

/* They are to be freed. Under side_lock. */
void shares_put_gone(struct shares *shares);

/* Frees what went with its pools; in a visitor, which holds side_lock, nothing. */
void shares_free_gone(void);

/* Another thread may be making them. */
static inline bool shares_are_none(const struct pool *pool)
{
    return __atomic_load_n(&pool->shares, __ATOMIC_ACQUIRE) == NULL;
}

static inline struct shares *shares_if_any(const void *object, uint64_t header)
{
    struct shares **at = UNLIKELY((header & HEADER_LARGE) != 0) ? &large_of(object)->shares
                                                                : &map_pool(object)->shares;
    return __atomic_load_n(at, __ATOMIC_ACQUIRE);
}

static inline _Atomic uint32_t *shares_word(struct shares *shares, const void *object)
{
    return &shares->words[((uintptr_t)object - shares->start) * shares->reciprocal >> 32];
}

#endif
