/* reap.h: taking back what others have freed of heaps that have no thread.
 *
 * Frees into a parked heap, and into the starter, gather in its `pending` like in any other. So
 * these heaps are reaped now and then: their blocks are collected, and what is free in those that
 * were parked for long goes back, without a new thread coming. */
#ifndef ALLOC_REAP_H
#define ALLOC_REAP_H

#include <stdint.h>

/* Collects in some of the parked heaps, as many as the time since the last call allows, and empties
 * those parked for longer than `decay`. */
void reap_tick(uint64_t now_ms);

/* Empties all parked heaps as far as possible, one at a time, with the lock free in between. */
void reap_all(void);

#endif
