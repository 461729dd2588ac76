/* find.c: finding objects by the records of pools, and by the list of all GC tables. */
#include "find.h"

#include "alloc/map.h"
#include "alloc/object_block.h"

size_t object_bytes(const void *object)
{
    uint64_t header = header_of(object);
    return UNLIKELY((header & HEADER_LARGE) != 0) ? large_of(object)->table.block_bytes
                                                  : pool_block_bytes(map_pool(object));
}

/* The start of the large object around p, or NULL. A visitor's thread holds the lock already. */
static void *large_around(const void *p)
{
    void *found = NULL;
    bool is_held = gc_table_lock_is_mine();
    if (!is_held)
        gc_table_lock_acquire();
    for (struct link *link = gc_table_all.next; link != &gc_table_all && found == NULL;
         link = link->next) {
        struct gc_table *table = LINK_OWNER(link, struct gc_table, all);
        if (table->pool == NULL && (uintptr_t)p - table->start < table->block_bytes)
            found = (void *)table->start;
    }
    if (!is_held)
        gc_table_lock_release();
    return found;
}

/* The start of the large object that lies in the same block of malloc's pool as p, as sampled ones
 * do; NULL if there is none. A block says by its own address that it is one's. */
static void *sampled_around(const struct pool *pool, const void *p)
{
    size_t bytes = pool_block_bytes(pool), number = ((uintptr_t)p - pool->start) / bytes;
    struct large *large = (struct large *)(pool->start + number * bytes);
    bool is_one = number < pool_carved(pool) && bytes > sizeof *large && large->block == large;
    return is_one && (uintptr_t)p >= (uintptr_t)(large + 1) ? large + 1 : NULL;
}

void *object_block_around(const void *p)
{
    const struct pool *pool = map_pool_around(p);
    if (pool == NULL)
        return large_around(p);
    return pool_has_objects(pool) ? object_pool_block(p) : sampled_around(pool, p);
}

void *object_pool_block(const void *p)
{
    const struct pool *pool = map_pool_around(p);
    if (pool == NULL || !pool_has_objects(pool))
        return NULL;
    size_t bytes = pool_block_bytes(pool);
    size_t number = ((uintptr_t)p - pool->start) / bytes;
    return number < pool_carved(pool) ? (void *)(pool->start + number * bytes) : NULL;
}
