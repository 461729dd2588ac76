/* reap.h: taking back what threads have freed of heaps that have no thread.
 *
 * Blocks of a parked heap and of the starter that threads free gather in the heap's `pending`, as
 * in any other heap. Nothing of them would go back before a thread adopts the heap: so these heaps
 * are reaped now and then. Their blocks are collected; and in heaps that have been parked for
 * longer than `decay`, empty pools go back, and free pages of other pools. */
#ifndef ALLOC_REAP_H
#define ALLOC_REAP_H

#include <stdint.h>

/* Reaps some of the parked heaps, as many as the time since the last call allows. Skipped when
 * another thread has the lock. */
void reap_tick(uint64_t now_ms);

/* Reaps all parked heaps, whenever they were parked, with the lock free in between. */
void reap_all(void);

#endif
