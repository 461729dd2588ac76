/* shares.c: making and freeing them. */
#include "shares.h"

#include "owner.h"

#include <string.h>

static struct shares *gone; /* of pools that are gone, linked by next; under side_lock */

static struct shares *make(uintptr_t start, size_t block_bytes, unsigned capacity,
                           struct owner *owner)
{
    size_t bytes = sizeof(struct shares) + capacity * sizeof(uint32_t);
    struct shares *shares = molt_calloc(1, bytes);
    if (shares == NULL)
        return NULL;
    shares->start = start;
    shares->block_bytes = block_bytes;
    shares->reciprocal = side_reciprocal(block_bytes);
    shares->capacity = capacity;
    shares->owner = owner;
    return shares;
}

/* Another thread may be faster. */
static struct shares *install(struct shares **at, struct shares *made)
{
    struct shares *present = NULL;
    if (made == NULL ||
        __atomic_compare_exchange_n(at, &present, made, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
        return made;
    molt_free(made);
    return present;
}

struct shares *shares_make(const void *object)
{
    uint64_t header = header_of(object);
    struct shares *shares = shares_if_any(object, header);
    if (shares != NULL)
        return shares;
    shares_free_gone();
    if ((header & HEADER_LARGE) != 0) {
        struct large *large = large_of(object);
        return install(&large->shares,
                       make(large->side.start, large->side.block_bytes, 1, large->side.owner));
    }
    struct pool *pool = map_pool(object);
    return install(&pool->shares, make(pool->start, pool_block_bytes(pool), pool->capacity,
                                       owner_of_heap(pool_heap(pool))));
}

void shares_put_gone(struct shares *shares)
{
    shares->next = gone;
    __atomic_store_n(&gone, shares, __ATOMIC_RELEASE);
}

void shares_gone(struct shares **at)
{
    struct shares *shares = *at;
    if (shares == NULL)
        return;
    *at = NULL;
    if (atomic_load_explicit(&shares->is_queued, memory_order_relaxed))
        shares->is_gone = true; /* who empties the queue comes upon them */
    else
        shares_put_gone(shares);
}

void shares_free_gone(void)
{
    if (__atomic_load_n(&gone, __ATOMIC_RELAXED) == NULL || side_lock_is_mine())
        return;
    side_lock_acquire();
    struct shares *shares = gone;
    __atomic_store_n(&gone, NULL, __ATOMIC_RELAXED);
    side_lock_release();
    while (shares != NULL) {
        struct shares *next = shares->next;
        molt_free(shares);
        shares = next;
    }
}
