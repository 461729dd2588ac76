/* object_block.c: the slow paths of objects. */
#include "object_block.h"

#include "arena.h"
#include "init.h"
#include "limit.h"
#include "refill.h"
#include "remote.h"
#include "thread.h"
#include "trim.h" // trim_for_retry

#include "base/fork.h"

struct heap *object_heap(void)
{
    if (!init_done())
        return NULL;
    fork_check();
    struct heap *heap = thread_enter();
    if (heap == NULL)
        return NULL;
    bool lasts = heap == thread_self.heap; /* else it is borrowed for one call */
    if (lasts)
        heap_prepare_objects(heap);
    thread_leave(heap);
    return lasts ? heap : NULL;
}

static void *try_refill(unsigned size_class, bool *is_sampled)
{
    struct refill about;
    struct heap *heap = thread_enter_existing();
    if (heap == NULL)
        return NULL;
    void *block = refill_block(heap, size_class, &about);
    thread_leave(heap);
    *is_sampled = about.is_sampled;
    return block;
}

void *object_block_refill(unsigned size_class, bool *is_sampled)
{
    fork_check();
    void *block = try_refill(size_class, is_sampled);
    if (UNLIKELY(block == NULL) && trim_for_retry())
        block = try_refill(size_class, is_sampled);
    if (UNLIKELY(block == NULL))
        malloc_tell_failure(size_class_bytes(size_class));
    return block;
}

void object_block_undo_refill(unsigned size_class, void *block)
{
    push(map_pool(block), block);
    struct heap *heap = thread_enter_existing();
    if (heap == NULL)
        return;
    heap_release_if_empty(heap, size_class);
    thread_leave(heap);
}

void object_block_release_pool(struct pool *pool)
{
    fork_check();
    heap_release_pool(pool);
}

void object_block_send(struct pool *pool, void *block)
{
    fork_check();
    struct heap *heap = thread_enter_existing();
    if (heap == NULL) {
        remote_free_now(pool, block);
        return;
    }
    remote_free(heap, pool, block);
    thread_leave(heap);
}

static void visit_arena(uint32_t number, void (*visit)(const struct pool *, void *), void *context)
{
    const struct pool *pools = map_pool((void *)map_arena_start(number));
    lock_acquire(&arena_lock);
    for (unsigned slot = 0; slot < ARENA_POOLS; slot++)
        if (pool_state(&pools[slot]) != POOL_NONE && pool_has_objects(&pools[slot]))
            visit(&pools[slot], context);
    lock_release(&arena_lock);
}

void object_block_visit_pools(void (*visit)(const struct pool *, void *), void *context)
{
    uint32_t arenas = map_arena_end();
    for (uint32_t number = 0; number < arenas; number++)
        visit_arena(number, visit, context);
}
