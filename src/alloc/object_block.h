/* object_block.h: blocks for objects: the door through which src/object reaches the heaps.
 *
 * They lie in pools of their own (size_class.h), for which free() is closed. A block is popped and
 * pushed as in malloc.h; the caller must not be a signal handler. */
#ifndef ALLOC_OBJECT_BLOCK_H
#define ALLOC_OBJECT_BLOCK_H

#include "heap.h"
#include "malloc.h" // push
#include "map.h"

#include "base/attributes.h"

/* The calling thread's heap, set up for objects; NULL: no memory, or the thread has come to its
 * end. */
struct heap *object_heap(void);

/* A block of the class, after its list was found empty; NULL when there is no memory. */
void *object_block_refill(unsigned size_class);

/* Takes the block that object_block_refill gave back, and its pool with it if that is empty: the
 * next refill is another new one. */
void object_block_undo_refill(unsigned size_class, void *block);

/* Gives back a pool that hooks.pool_gone was given. Waits for arena_lock alone. */
void object_block_release_pool(struct pool *pool);

/* A block of a pool that is not the calling thread's goes home. */
void object_block_send(struct pool *pool, void *block);

/* Visits each pool with objects, in the order of their addresses. Under arena_lock, so that no
 * pool's memory goes while its blocks are read: `visit` must not allocate. */
void object_block_visit_pools(void (*visit)(const struct pool *pool, void *context), void *context);

static ALWAYS_INLINE void *object_block_pop(struct heap *heap, unsigned size_class)
{
    return block_list_pop(&heap->objects.free[size_class - OBJECT_CLASS_FIRST]);
}

#endif
