/* dig.h: digging holes (hole.h) in the pools of a heap. */
#ifndef ALLOC_DIG_H
#define ALLOC_DIG_H

#include <stdbool.h>
#include <stddef.h>

struct heap;

/* Goes over the heap's pools in a round, and gives those of their pages back to the OS that only
 * free blocks touch; stops when the quota is spent, in units of about 0.25 µs. Whether the round is
 * over; else the next call goes on with it. With `idle` it passes over pools whose blocks have been
 * taken or freed since the round before. The caller owns the heap and is inside a slow path. */
bool dig_holes(struct heap *heap, bool idle, size_t *quota);

#endif
