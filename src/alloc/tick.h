/* tick.h: the look at the clock, on a thread's way out of a slow path. */
#ifndef ALLOC_TICK_H
#define ALLOC_TICK_H

struct heap;

/* Does what is due: hands over waiting remote frees, reaps parked heaps, returns memory to the OS.
 * Adapts how soon the heap looks again: seldom in a busy program, at every free in an idle one. */
void tick(struct heap *heap);

#endif
