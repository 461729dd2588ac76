/* dig.h: looking through a heap's pools for pages that may become holes (hole.h). */
#ifndef ALLOC_DIG_H
#define ALLOC_DIG_H

#include <stdbool.h>
#include <stddef.h>

struct heap;

/* Gives pages of the heap's pools that hold free blocks only back to the OS, pool by pool as far as
 * the quota allows: about 0.25 µs each. Whether all pools have been looked at; the next call goes
 * on with the others. With `idle` only in pools that are as they were at the look before. */
bool dig_holes(struct heap *heap, bool idle, size_t *quota);

#endif
