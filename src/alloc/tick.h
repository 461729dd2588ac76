/* tick.h: the look at the clock, on a thread's way out of a slow path. */
#ifndef ALLOC_TICK_H
#define ALLOC_TICK_H

#include <stdbool.h>
#include <stdint.h>

struct heap;

/* Does what is due: hands over waiting remote frees, reaps parked heaps, returns memory to the OS.
 * Adapts how soon the heap looks again: seldom in a busy program, at every free in an idle one. */
void tick(struct heap *heap);

/* The same for all heaps, by a thread that has none (background.h): as much as is due at once.
 * Whether there is memory that may go later. */
bool tick_for_all(uint64_t now_ms, uint64_t elapsed_ms);

#endif
