/* refill.c: one source after the other. */
#include "refill.h"

#include "heap.h"
#include "hole.h"
#include "map.h"
#include "misuse.h"
#include "peak.h"
#include "registry.h" // registry_steal
#include "remote.h"   // remote_collect
#include "sample.h"
#include "starter.h"

#include "base/assert.h"

#include <limits.h> // UINT_MAX

/* A pool with free blocks that is not ACTIVE: an own one, or one that is stolen. Pools of objects
 * are never stolen, since their objects name the owner. */
static struct pool *take_pool_with_free(struct heap *heap, unsigned size_class)
{
    struct pool *pool = heap_take_partial(heap, size_class);
    if (pool != NULL || size_class >= OBJECT_CLASS_FIRST)
        return pool;
    return registry_steal(heap, size_class);
}

static struct pool *new_pool(struct heap *heap, unsigned size_class)
{
    struct pool *pool = heap_make_pool(heap, size_class);
    if (pool == NULL)
        return NULL;
    sample_follow(heap);
    if (*heap_active(heap, size_class) != 0) /* the class has filled a pool */
        pool_populate_ahead(pool);
    peak_check(heap);
    return pool;
}

/* The pool that serves the class from now on, which is ACTIVE: `next`, which has free blocks, if it
 * is not NULL; else the present one if it has room; else another with room; else a new one. */
static struct pool *choose_pool(struct heap *heap, struct pool *next, unsigned size_class)
{
    struct pool *active = map_pool_by_number(*heap_active(heap, size_class));
    if (next == NULL && active != NULL && pool_has_room(active))
        return active;
    if (next == NULL)
        next = heap_take_with_room(heap, size_class);
    if (next == NULL)
        next = new_pool(heap, size_class);
    if (active != NULL)
        heap_deactivate(heap, active);
    if (next != NULL)
        heap_activate(heap, next);
    return next;
}

/* Puts free blocks into the class's list, which is empty; false when there is no memory. */
static bool refill_list(struct heap *heap, unsigned size_class, bool *zero)
{
    struct pool *next = take_pool_with_free(heap, size_class);
    if (next == NULL && starter_give(heap, size_class)) {
        sample_came(heap, size_class, UINT_MAX);
        peak_check(heap);
        return true;
    }
    struct pool *pool = choose_pool(heap, next, size_class);
    if (pool == NULL)
        return false;
    struct block_list *list = heap_free_list(heap, size_class);
    if (block_list_is_empty(list)) {
        block_list_set(list,
                       pool_holes(pool) != 0 ? hole_fill(pool, zero) : pool_carve(pool, zero));
        sample_came(heap, size_class, UINT_MAX);
    }
    return !block_list_is_empty(list);
}

/* Takes the first block off the list, which does not decode: it is marked, or the program has
 * overwritten its link. Marks that were made for another mean than the present one are void. */
static COLD struct block *take_marked(struct heap *heap, unsigned size_class, bool *is_sampled)
{
    struct block_list *list = heap_free_list(heap, size_class);
    struct block *block = block_list_first(list);
    if (!block_is_sampled(block))
        misuse_report_written(block, size_class_bytes(size_class));
    block_list_set(list, block_next(block));
    *is_sampled = heap->sampler.mean == sample_mean_now();
    sample_follow(heap);
    return block;
}

struct block *refill_block(struct heap *heap, unsigned size_class, struct refill *about)
{
    *about = (struct refill){0};
    remote_collect(heap);
    DEBUG_ASSERT(heap_class_is_valid(heap, size_class));
    struct block_list *list = heap_free_list(heap, size_class);
    if (block_list_is_empty(list) && !refill_list(heap, size_class, &about->is_zero))
        return NULL;
    struct block *block = block_list_pop(list);
    if (UNLIKELY(block == NULL))
        block = take_marked(heap, size_class, &about->is_sampled);
    DEBUG_ASSERT(heap_class_is_valid(heap, size_class));
    return block;
}
