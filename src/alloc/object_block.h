/* object_block.h: blocks for objects: all that src/object asks of the heaps.
 *
 * The blocks lie in pools of their own (size_class.h), for which free() is closed. They are popped
 * and pushed as in malloc.h; the caller must not be a signal handler. */
#ifndef ALLOC_OBJECT_BLOCK_H
#define ALLOC_OBJECT_BLOCK_H

#include "heap.h"
#include "malloc.h" // push
#include "map.h"

#include "base/attributes.h"

/* The calling thread's heap, set up for objects; NULL when there is no memory, or the thread's heap
 * has been parked. */
struct heap *object_heap(void);

/* A block of the class, from whose list none could be popped; NULL when there is no memory.
 * *is_sampled: whether a heap profile samples the object (sample.h). */
void *object_block_refill(unsigned size_class, bool *is_sampled);

/* Takes the block that object_block_refill gave back, and its pool with it if that is empty: the
 * next refill is another new one. */
void object_block_undo_refill(unsigned size_class, void *block);

/* Gives back a pool that hooks.pool_gone was called for. Waits for no lock but arena_lock. */
void object_block_release_pool(struct pool *pool);

/* Frees a block of another heap's pool. */
void object_block_send(struct pool *pool, void *block);

/* Calls `visit` for each pool with objects, in the order of their addresses, under arena_lock: no
 * pool's memory goes while its blocks are read, and `visit` must not allocate. */
void object_block_visit_pools(void (*visit)(const struct pool *pool, void *context), void *context);

static ALWAYS_INLINE void *object_block_pop(struct heap *heap, unsigned size_class)
{
    return block_list_pop(&heap->objects.free[size_class - OBJECT_CLASS_FIRST]);
}

#endif
