/* registry.h: all heaps, and those that wait for a thread.
 *
 * A thread that ends parks its heap as it is. A thread that starts adopts the one of whose blocks
 * it frees one first, since it has probably taken over what the former thread worked on (once it
 * lets others run, if that one is still on its way out); else the one that has waited for longest:
 * others have freed the most of it by now.
 *
 * Pools of parked heaps change hands under the lock in two ways: a heap that needs free blocks
 * steals such a pool before it touches a fresh page, and a thread that frees a block of a class
 * that it also allocates claims the block's pool. The first keeps memory in use, the second makes
 * the frees that follow local. Other frees into a parked heap gather in its `pending` like in any
 * other, until the heap is reaped (reap.h). */
#ifndef ALLOC_REGISTRY_H
#define ALLOC_REGISTRY_H

#include "heap.h" // enum heap_state

#include "base/lock.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

extern HIDDEN struct lock registry_lock;

/* A new heap, inside a slow path as one that was parked; NULL when there is no memory for one. The
 * caller holds the lock. */
struct heap *registry_new_heap(enum heap_state state);

/* Whether any heap is parked. Needs no lock. */
bool registry_has_parked(void);

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

/* Parks a heap of the calling thread. */
void registry_park(struct heap *heap);

/* Has the next frees of threads that have not looked at the clock for a while look at it: they may
 * have been busy then, and let many frees go by until they look again. */
void registry_call_quiet(const struct heap *caller, uint64_t now_ms);

/* While a forked child is repaired: parks the heaps of the threads that are gone, except those that
 * were inside a slow path; those are dead. */
void registry_repair(void);

/* How many heaps there are, and how many of them are parked. */
void registry_count(size_t *heaps, size_t *parked);

#endif
