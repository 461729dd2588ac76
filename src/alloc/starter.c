/* starter.c: the starter, and what it gives. */
#include "starter.h"

#include "heap.h"
#include "map.h"
#include "registry.h"
#include "remote.h"
#include "sample.h"
#include "shared.h"

/* ---- Carving ---- */

_Static_assert(START_BLOCK_MAX <= (size_t)4 << 10, "classes that have a bit in `started`");

/* How many blocks of `bytes` a heap starts with: small ones in whole cache lines. */
static unsigned start_count(size_t bytes)
{
    size_t step = bytes & -bytes; /* blocks begin at multiples of it */
    size_t unit = bytes <= START_LINES_MAX && step < CACHE_LINE ? CACHE_LINE / step : 1;
    size_t count = START_BYTES / bytes / unit * unit;
    return (unsigned)(count > unit ? count : unit);
}

/* Carves first blocks. The starter's newest pool of a class is the first of its ring, and the only
 * one with room. */
static struct block *carve_some(struct heap *heap, unsigned size_class)
{
    unsigned count = start_count(size_class_bytes(size_class));
    struct pool *pool = map_pool_by_number(*heap_partial(heap, size_class));
    if (pool == NULL || pool_carved(pool) + count > pool->capacity) {
        pool = heap_make_pool(heap, size_class);
        if (pool == NULL)
            return NULL;
        heap_put_first(heap, pool);
    }
    return pool_carve_live(pool, count);
}

static struct block *starter_carve(unsigned size_class)
{
    struct block *blocks = NULL;
    lock_acquire(&registry_lock);
    struct heap *heap = shared_enter(SHARED_STARTER);
    if (heap != NULL) {
        blocks = carve_some(heap, size_class);
        shared_leave(heap);
    }
    lock_release(&registry_lock);
    return blocks;
}

/* ---- Giving and taking back ---- */

/* Whether the heap has its first blocks of the class from the starter. The process's first heap,
 * the only one in most programs, has pools of its own at once. */
static bool may_start(struct heap *heap, unsigned size_class)
{
    return heap->number != 1 && size_class < OBJECT_CLASS_FIRST &&
           size_class_bytes(size_class) <= START_BLOCK_MAX &&
           (heap->started >> size_class & 1) == 0 && heap->active[size_class] == 0 &&
           heap->partial[size_class] == 0;
}

bool starter_give(struct heap *heap, unsigned size_class)
{
    struct block *blocks = may_start(heap, size_class) ? starter_carve(size_class) : NULL;
    if (blocks == NULL)
        return false;
    heap->started |= UINT64_C(1) << size_class;
    block_list_set(&heap->free[size_class], blocks);
    return true;
}

void starter_take_back(struct heap *heap)
{
    for (unsigned size_class = 0; size_class < CLASS_COUNT; size_class++) {
        struct block *block;
        if (heap_is_starting(heap, size_class))
            sample_clear_list(heap, &heap->free[size_class]);
        while (heap_is_starting(heap, size_class) &&
               (block = block_list_pop(&heap->free[size_class])) != NULL)
            remote_free_now(map_pool(block), block);
    }
    heap->started = 0;
}
