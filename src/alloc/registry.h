/* registry.h: all heaps, and those that wait for a thread.
 *
 * A thread that ends parks its heap as it is. A thread that starts adopts the one of whose blocks
 * it frees one first, since it has probably taken over what the former thread worked on (once it
 * lets others run, if that one is still on its way out); else the one that has waited for longest:
 * others have freed the most of it by now.
 *
 * A thread that makes a new heap often allocates a few blocks of each of some sizes. Pools of its
 * own for these would cost a page a size; so the first ones come from a heap without a thread, the
 * starter. Its pools are only carved, a few blocks for one heap in a row: they are freed by handing
 * them over to the starter, which takes them back when it is reaped, and a pool that is all free
 * goes. So nobody adopts it, and its pools do not change hands.
 *
 * Pools of parked heaps change hands under the lock in two ways: a heap that needs free blocks
 * steals such a pool before it touches a fresh page, and a thread that frees a block of a class
 * that it also allocates claims the block's pool. The first keeps memory in use, the second makes
 * the frees that follow local. Other frees into a parked heap gather in its `pending` like in any
 * other; a look at the clock (tick.h) reaps them, so memory of ended threads goes back without a
 * new thread coming. */
#ifndef ALLOC_REGISTRY_H
#define ALLOC_REGISTRY_H

#include "base/lock.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct block;
struct heap;
struct pool;

extern HIDDEN struct lock registry_lock;

/* A parked heap, or a new one; NULL when there is no memory for one. */
struct heap *registry_adopt(void);

/* Takes this heap if it is parked: whether it was. */
bool registry_adopt_this(struct heap *heap);

/* A pool of the class with free blocks, from one of the heaps that are parked for longest; it is
 * `to`'s now, which has to make it ACTIVE. NULL if there is none. */
struct pool *registry_steal(const struct heap *to, unsigned size_class);

/* Makes the pool `to`'s if its owner is parked and `to` allocates from the class: whether it is
 * now. */
bool registry_claim(struct heap *to, struct pool *pool);

/* The first blocks of a class for a heap, as a list; NULL when there is no memory. */
struct block *registry_start(unsigned size_class);

/* Parks a heap of the calling thread. */
void registry_park(struct heap *heap);

/* Collects in some of the parked heaps, as many as the time since the last call allows, and empties
 * those parked for longer than `decay`. */
void registry_reap(uint64_t now_ms);

/* Has the next frees of threads that have not looked at the clock for a while look at it: they may
 * have been busy then, and let many frees go by until they look again. */
void registry_call_quiet(const struct heap *caller, uint64_t now_ms);

/* Empties all parked heaps as far as possible, one at a time, with the lock free in between. */
void registry_reap_all(void);

/* While a forked child is repaired: parks the heaps of the threads that are gone, except those that
 * were inside a slow path; those are dead. */
void registry_repair(void);

/* How many heaps there are, and how many of them are parked. */
void registry_count(size_t *heaps, size_t *parked);

#endif
