/* dig.c: rounds over the pools, and which pools have changed. */
#include "dig.h"

#include "heap.h"
#include "hole.h"
#include "map.h"

#define DUG 0x80000000u      /* in pool->dig_state: nothing was left to give back then */
#define BLOCKS_PER_QUOTA 32u /* free blocks that hole_dig counts in 0.25 µs */

/* A number that differs if blocks of the pool have been taken or freed since. Never 0 for a PARTIAL
 * pool. */
static uint32_t dig_state(const struct pool *pool)
{
    uint32_t state = pool->left;
    if (pool_state(pool) == POOL_ACTIVE)
        state = (state * 0x9e3779b1u) ^ (uint32_t)((uintptr_t)pool->list->head >> 3);
    return state & ~DUG;
}

static void spend(size_t *quota, size_t cost)
{
    *quota -= cost < *quota ? cost : *quota;
}

static void dig_pool(struct heap *heap, struct pool *pool, bool idle, size_t *quota)
{
    uint32_t state = dig_state(pool);
    bool is_idle = pool->dig_state == state, is_dug = pool->dig_state == (state | DUG);
    pool->dig_round = heap->dig_round;
    pool->dig_state = is_dug ? state | DUG : state;
    spend(quota, 1);
    if (is_dug || (idle && !is_idle))
        return;
    unsigned blocks = pool_state(pool) == POOL_ACTIVE
                          ? pool_count_list(pool, block_list_first(pool->list))
                          : pool_carved(pool) - pool->left - hole_blocks(pool);
    spend(quota, blocks / BLOCKS_PER_QUOTA + hole_dig(pool, blocks));
    pool->dig_state = dig_state(pool) | DUG;
}

/* Digs in the pools of a class; false when the quota is spent. The ring is turned, so that pools
 * which the round has been to come last. */
static bool dig_class(struct heap *heap, unsigned size_class, bool idle, size_t *quota)
{
    struct pool *active = map_pool_by_number(heap->active[size_class]);
    if (active != NULL && active->dig_round != heap->dig_round && heap_may_shorten_lists(heap))
        dig_pool(heap, active, idle, quota);
    uint32_t *first = &heap->partial[size_class];
    for (struct pool *pool = map_pool_by_number(*first);
         pool != NULL && pool->dig_round != heap->dig_round; pool = map_pool_by_number(*first)) {
        if (*quota == 0)
            return false;
        dig_pool(heap, pool, idle, quota);
        *first = pool->next;
    }
    return true;
}

bool dig_holes(struct heap *heap, bool idle, size_t *quota)
{
    static _Atomic uint32_t rounds; /* pools change hands, so no two heaps have the same number */
    if (heap->dig_round == 0) {
        heap->dig_round =
            (atomic_fetch_add_explicit(&rounds, 1, memory_order_relaxed) + 1) | 1u << 31;
        heap->dig_class = 0;
    }
    for (; heap->dig_class < CLASS_COUNT; heap->dig_class++)
        if (!dig_class(heap, heap->dig_class, idle, quota))
            return false;
    heap->dig_round = 0;
    return true;
}
