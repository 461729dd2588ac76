/* claim.h: tidying up for a thread that sleeps.
 *
 * A heap is its owner's alone, and its fast paths ask nobody. But what an owner has freed before it
 * went to sleep may be had without it, if it is certain that it is inside no path, and if it cannot
 * begin one meanwhile:
 *
 *      another thread                                      the owner
 *      claim = ASKED
 *      closes the owner's fast paths (cookie, limits,
 *        chains in the outbox)
 *      a fence for all threads (membarrier)                sees all of this before whatever it does
 *      is the owner asleep, outside of any handler?
 *        no slow path under way, still closed?             (it has slept since before the fence)
 *      claim = TAKEN
 *      works on the heap, for less than a millisecond      wakes up: the fast paths are closed, so
 *                                                            it takes a slow one, and waits there
 *      claim = NONE                                        goes on
 *
 * The fast path does not know of it, and the slow one reads one word. An owner that turns out to be
 * awake has been sent to a slow path once, no more: its end opens what was closed. What tells that
 * it is asleep is in os/asleep.h. Without that, nothing is claimed.
 *
 * Who claims holds registry_lock, so that the owner's thread does not come to its end and take the
 * words that are closed with it; and holds nothing that the owner may wait for at the same time: an
 * owner that waits for a claim waits as for registry_lock (rank.h). A heap with objects is never
 * claimed: its pools are the collector's as well.
 *
 * A forked child knows by TAKEN that its heap was being worked on by a thread that is gone: that
 * heap is dead then, and the child's thread takes another. */
#ifndef ALLOC_CLAIM_H
#define ALLOC_CLAIM_H

#include <stdbool.h>
#include <stdint.h>

struct heap;

/* The calling thread's heap may be claimed from now on, until it is parked. */
void claim_allow(struct heap *heap);

/* Waits until nobody claims the heap, which is the caller's. In a forked child it may be that no
 * longer: then false. */
bool claim_wait(struct heap *heap);

/* Gives back what heaps hold whose owners sleep, and have not looked at the clock since
 * `before_ms`. Only heaps that have been used since the last time. Reads files in /proc: so not for
 * every look at the clock. The caller is inside no slow path and holds no lock. */
void claim_tidy(uint64_t before_ms);

#endif
