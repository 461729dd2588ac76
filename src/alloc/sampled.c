/* sampled.c: taking them one by one. */
#include "sampled.h"

#include "heap.h"
#include "map.h"
#include "misuse.h"
#include "perturb.h"
#include "registry.h"
#include "remote.h"
#include "sample.h"
#include "shared.h"
#include "thread.h"
#include "watch.h"

/* A pool with a free block, or with room for one; it hangs nowhere any more. */
static struct pool *find_pool(struct heap *heap, unsigned size_class)
{
    struct pool *pool = heap_take_partial(heap, size_class);
    if (pool == NULL)
        pool = heap_take_with_room(heap, size_class);
    return pool != NULL ? pool : heap_make_pool(heap, size_class);
}

/* The pool's first free block; NULL: it has none. */
static struct block *take_free(struct pool *pool)
{
    struct block *block = block_list_pop(&pool->own);
    if (UNLIKELY(block == NULL) && !block_list_is_empty(&pool->own))
        misuse_report_written(block_list_first(&pool->own), pool_block_bytes(pool));
    return block;
}

static struct block *take(struct heap *heap, unsigned size_class)
{
    struct pool *pool = find_pool(heap, size_class);
    if (pool == NULL)
        return NULL;
    struct block *block = take_free(pool);
    if (block != NULL)
        pool->left++;
    else
        block = pool_carve_live(pool, 1);
    if (block_list_is_empty(&pool->own) && !pool_has_room(pool))
        heap_note_full(pool);
    else
        heap_put_first(heap, pool);
    return block;
}

static struct block *take_under_lock(unsigned size_class)
{
    struct block *block = NULL;
    lock_acquire(&registry_lock);
    struct heap *heap = shared_enter(SHARED_SAMPLED);
    if (heap != NULL) {
        block = take(heap, size_class);
        shared_leave(heap);
    }
    lock_release(&registry_lock);
    return block;
}

void *sampled_alloc(unsigned size_class, size_t size, size_t bytes, const void *usual)
{
    struct block *block = thread_is_reentered() ? NULL : take_under_lock(size_class);
    if (block == NULL)
        return NULL;
    block->link = 0;
    if (profile_hooks.allocated(block, size, bytes, map_pool_number(map_pool(usual))))
        return block;
    remote_free_now(map_pool(block), block);
    return NULL;
}

void sampled_set(size_t mean, bool trace)
{
    if (trace)
        watch_set(WATCH_FREES | WATCH_ALL_FREES, true);
    watch_set(WATCH_TRACE, trace);
    sample_set_mean(trace ? 1 : mean);
    registry_call_all();
    struct heap *heap = thread_enter_existing();
    if (heap == NULL)
        return;
    sample_follow(heap);
    thread_leave(heap);
}

void sampled_forget(void)
{
    watch_set(WATCH_ALL_FREES, false);
}

static bool is_sampled(const struct pool *pool)
{
    return map_heap(pool_heap(pool)) == shared_heap(SHARED_SAMPLED);
}

void sampled_watch_freed(const struct pool *pool, void *p, size_t bytes, const void *caller)
{
    if (perturb_is_on())
        perturb_freed(p, bytes);
    bool may_be_recorded = pool == NULL || watch_is_on(WATCH_ALL_FREES) || is_sampled(pool);
    if (watch_is_on(WATCH_FREES) && may_be_recorded)
        profile_hooks.freed(p, caller);
}
