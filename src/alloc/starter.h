/* starter.h: where a heap's first blocks come from.
 *
 * A thread that makes a new heap often allocates a few blocks of each of some sizes. Pools of its
 * own for these would cost a page a size; so the first ones come from a heap without a thread, the
 * starter. Its pools are only carved, a few blocks for one heap in a row: they are freed by handing
 * them over to the starter, which takes them back when it is reaped (reap.h), and a pool that is
 * all free goes. So nobody adopts it, and its pools do not change hands. */
#ifndef ALLOC_STARTER_H
#define ALLOC_STARTER_H

#include <stdbool.h>

struct heap;

/* Puts first blocks of a class into the heap's list, which is empty. False: none are due, or there
 * is no memory. */
bool starter_give(struct heap *heap, unsigned size_class);

/* Gives the blocks back that the heap has from the starter and has not handed out: it may ask for
 * others from now on. */
void starter_take_back(struct heap *heap);

/* The starter; NULL when there is none yet. */
struct heap *starter_heap(void);

#endif
