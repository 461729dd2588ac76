/* claim.h: tidying up in place of a thread that sleeps.
 *
 * Only a heap's own thread works on it, and its fast paths take no lock. But another thread may
 * give back what the heap holds free, if the heap's own thread is certain to be inside no path of
 * the allocator, and cannot begin one meanwhile:
 *
 *      the claiming thread                                 the heap's own thread
 *      claim = ASKED
 *      closes the heap's fast paths (cookie, limits,
 *        chains in the outbox)
 *      a fence for all threads (membarrier)                sees all of this before whatever it does
 *      is the thread asleep, outside of any handler?
 *      a fence for all threads                             what it did before it slept is seen
 *      no slow path under way, still closed?
 *      claim = TAKEN
 *      works on the heap, for less than a millisecond      wakes up: the fast paths are closed, so
 *                                                            it takes a slow one, and waits there
 *      claim = NONE                                        goes on
 *
 * The fast paths do not know of claims; each slow path reads one word. A thread that turns out to
 * be awake has been sent to a slow path once: the end of that opens the fast paths again.
 * os/asleep.h tells whether a thread sleeps; where it cannot tell, nothing is claimed.
 *
 * The claiming thread holds registry_lock, so that the heap's thread cannot end, and its words stay
 * mapped; it holds nothing else that the heap's thread may wait for. A thread that waits for the
 * end of a claim waits as for registry_lock (rank.h). A heap with objects is never claimed: the
 * collector works on its pools, too.
 *
 * If a forked child finds TAKEN, the claiming thread is gone, and the heap is dead: the child's
 * thread adopts another (registry.h). */
#ifndef ALLOC_CLAIM_H
#define ALLOC_CLAIM_H

#include <stdbool.h>
#include <stdint.h>

struct heap;

/* From now on the calling thread's heap may be claimed, until it is parked. */
void claim_allow(struct heap *heap);

/* Waits until the caller's heap is not claimed. False in a forked child where the heap is dead. */
bool claim_wait(struct heap *heap);

/* Claims the heaps, one after the other, whose threads sleep and have not ticked since `before_ms`,
 * and gives back what they hold free. Passes over heaps that have not been used since the last
 * call. Reads files in /proc: too much for every tick. The caller is inside no slow path and holds
 * no lock. */
void claim_tidy(uint64_t before_ms);

#endif
