/* starter.h: where a heap's first blocks come from.
 *
 * Many threads allocate only a few blocks of some sizes. Pools of their own for these would cost
 * each of them a page a size. So a new heap has its first blocks of a size from a shared heap
 * (shared.h), the starter. The starter's pools are only carved: a few blocks in a row for one heap.
 * A pool whose blocks are all free goes. */
#ifndef ALLOC_STARTER_H
#define ALLOC_STARTER_H

#include <stdbool.h>

struct heap;

/* Puts the first blocks of a class into the heap's list, which is empty. False: the heap has had
 * them, or there is no memory. */
bool starter_give(struct heap *heap, unsigned size_class);

/* Frees the blocks that the heap has from the starter and has not given out. From now on it may
 * have first blocks again. */
void starter_take_back(struct heap *heap);

#endif
