/* cascade.h: the death of plain objects, many in one loop. A plain object belongs to the calling
 * thread, lies in a pool without shared counts, and its type is_simple: all references are fields,
 * and there are no callbacks. So no other code sees its fields again, and death is no more than
 * releasing them.
 *
 * Most objects have the type of the object that held them. A cascade is the death of one plain
 * object and of all those of its type that die with it: the loop has loaded what it needs of the
 * type, and one comparison of headers tells whether the next object belongs to the cascade. */
#ifndef OBJECT_CASCADE_H
#define OBJECT_CASCADE_H

#include "dying.h"
#include "find.h" // object_mark_dead
#include "type.h"

#include "alloc/malloc.h" // free_drained

#include <stdint.h>

/* Releases the references of a plain object from field `next` on, and brings it and the cascade to
 * their end. Objects above `mark` on the stack of dying objects belong to the cascade. Returns
 * early with an object that dies and is of another kind; else NULL. */
void *cascade_run(void *object, const struct descriptor *type, uint32_t next, uint64_t mark);

/* Frees the block of a dead object of the calling thread, as push() does. The type's number stays
 * readable in it, for messages. */
static ALWAYS_INLINE void cascade_push(void *object, unsigned number, struct pool *pool)
{
    struct block *block = object;
    block->link = block_encode(pool->list->head); /* the link overwrites the header */
    atomic_signal_fence(memory_order_release);
    object_mark_dead(object, number);
    atomic_signal_fence(memory_order_release);
    pool->list->head = block;
    if (UNLIKELY(--pool->left == 0))
        free_drained(pool);
}

/* Frees a plain object. */
static ALWAYS_INLINE void cascade_free(void *object, const struct descriptor *type, unsigned number,
                                       struct pool *pool)
{
    if (type->tracked)
        forget_tracked(object, header_of(object), owner_self);
    cascade_push(object, number, pool);
}

#endif
