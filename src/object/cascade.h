/* cascade.h: the death of objects that need nothing but their references released: own ones, in
 * pools without shared counts, whose references are all fields and that have no callbacks. Nobody
 * will look at their fields again.
 *
 * Most objects are of the same type as what held them. So as long as what dies next is alike, one
 * loop goes on with what it knows of the first: a comparison of headers tells. */
#ifndef OBJECT_CASCADE_H
#define OBJECT_CASCADE_H

#include "dying.h"
#include "find.h" // object_mark_dead
#include "type.h"

#include "alloc/malloc.h" // free_drained

#include <stdint.h>

/* Releases the references of such an object from field `next` on, and of those alike that die with
 * it. What is above `mark` on the stack of dying objects belongs to it. Returns what dies next and
 * is of another kind; NULL when the cascade has come to its end. */
void *cascade_run(void *object, const struct descriptor *type, uint32_t next, uint64_t mark);

/* The block of a dead object goes back to the calling thread's pool, as in a push. Its type's
 * number stays readable, for messages. */
static ALWAYS_INLINE void cascade_push(void *object, unsigned number, struct pool *pool)
{
    struct block *block = object;
    block->link = block_encode(pool->list->head); /* … which overwrites the header */
    atomic_signal_fence(memory_order_release);
    object_mark_dead(object, number);
    atomic_signal_fence(memory_order_release);
    pool->list->head = block;
    if (UNLIKELY(--pool->left == 0))
        free_drained(pool);
}

/* The same of an object as above. */
static ALWAYS_INLINE void cascade_free(void *object, const struct descriptor *type, unsigned number,
                                       struct pool *pool)
{
    if (type->tracked)
        forget_tracked(object, header_of(object), owner_self);
    cascade_push(object, number, pool);
}

#endif
