/* object_block.c: the slow side. */
#include "object_block.h"

#include "fork.h"
#include "init.h"
#include "remote.h"
#include "thread.h"
#include "trim.h" // trim_mappings

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

static void *try_refill(unsigned size_class)
{
    bool zero;
    struct heap *heap = thread_enter_existing();
    if (heap == NULL)
        return NULL;
    void *block = heap_refill(heap, size_class, &zero);
    thread_leave(heap);
    return block;
}

void *object_block_refill(unsigned size_class)
{
    fork_check();
    void *block = try_refill(size_class);
    if (UNLIKELY(block == NULL) && trim_mappings())
        block = try_refill(size_class);
    return block;
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

void object_block_collect(void)
{
    struct heap *heap = thread_enter_existing();
    if (heap == NULL)
        return;
    remote_collect(heap);
    thread_leave(heap);
}
