/* shared_counts.c: making and freeing shared counts. */
#include "shared_counts.h"

#include "owner.h"

#include <string.h>

static struct shared_counts
    *gone_counts; /* of pools that are gone, linked by next; under gc_table_lock */

static struct shared_counts *make_counts(uintptr_t start, size_t block_bytes, unsigned capacity,
                                         struct owner *owner)
{
    size_t bytes = sizeof(struct shared_counts) + capacity * sizeof(uint32_t);
    struct shared_counts *counts = molt_calloc(1, bytes);
    if (counts == NULL)
        return NULL;
    counts->start = start;
    counts->block_bytes = block_bytes;
    counts->reciprocal = gc_table_reciprocal(block_bytes);
    counts->capacity = capacity;
    counts->owner = owner;
    return counts;
}

/* Another thread may have been faster: then its counts stay, and `made` is freed. */
static struct shared_counts *install_counts(struct shared_counts **at, struct shared_counts *made)
{
    struct shared_counts *present = NULL;
    if (made == NULL ||
        __atomic_compare_exchange_n(at, &present, made, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
        return made;
    molt_free(made);
    return present;
}

struct shared_counts *shared_counts_make(const void *object)
{
    uint64_t header = header_of(object);
    struct shared_counts *counts = shared_counts_if_any(object, header);
    if (counts != NULL)
        return counts;
    shared_counts_free_gone();
    if ((header & HEADER_LARGE) != 0) {
        struct large *large = large_of(object);
        return install_counts(
            &large->shared_counts,
            make_counts(large->table.start, large->table.block_bytes, 1, large->table.owner));
    }
    struct pool *pool = map_pool(object);
    return install_counts(&pool->shared_counts,
                          make_counts(pool->start, pool_block_bytes(pool), pool->capacity,
                                      owner_of_heap(pool_heap(pool))));
}

void shared_counts_put_gone(struct shared_counts *counts)
{
    counts->next = gone_counts;
    __atomic_store_n(&gone_counts, counts, __ATOMIC_RELEASE);
}

void shared_counts_gone(struct shared_counts **at)
{
    struct shared_counts *counts = *at;
    if (counts == NULL)
        return;
    *at = NULL;
    if (atomic_load_explicit(&counts->is_queued, memory_order_relaxed))
        counts->is_gone = true; /* the thread that empties the queue puts them with the others */
    else
        shared_counts_put_gone(counts);
}

void shared_counts_free_gone(void)
{
    if (__atomic_load_n(&gone_counts, __ATOMIC_RELAXED) == NULL || gc_table_lock_is_mine())
        return;
    gc_table_lock_acquire();
    struct shared_counts *counts = gone_counts;
    __atomic_store_n(&gone_counts, NULL, __ATOMIC_RELAXED);
    gc_table_lock_release();
    while (counts != NULL) {
        struct shared_counts *next = counts->next;
        molt_free(counts);
        counts = next;
    }
}
