/* registry.h: all heaps, and those that wait for a thread.
 *
 * These words mean only this, of heaps and pools:
 *
 *   own      a thread has a heap, a heap has pools; a pool's owner is its heap
 *   park     a thread that ends leaves its heap, with all pools and live blocks, to the registry
 *   adopt    a thread without a heap takes a parked heap as its own
 *   steal    a heap takes one pool from a parked heap as its own
 *   claim    a thread works for a moment on the heap of a thread that sleeps (claim.h); nothing
 *            changes its owner
 *   reap     a thread works for a moment on a heap that has no thread (reap.h); likewise
 *   take     anything leaves a list, a ring or a cache; says nothing of owners
 *
 * A thread adopts the heap of whose blocks it frees one before its first malloc, since it has
 * probably taken over what the former thread worked on; if that thread is still about to end, the
 * adopter lets it run once. Else it adopts the heap that has been parked for longest: other threads
 * have freed the most of that by now.
 *
 * Pools are stolen in two cases. A heap that needs free blocks steals a pool that has some before
 * it touches a fresh page: that keeps memory in use. A thread that frees a block of a class that it
 * also allocates steals the block's pool: that makes the frees that follow local. Other blocks of
 * parked heaps that threads free gather in the heap's `pending`, as in any other heap, until it is
 * reaped. */
#ifndef ALLOC_REGISTRY_H
#define ALLOC_REGISTRY_H

#include "heap.h" // enum heap_state

#include "base/lock.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

extern HIDDEN struct lock registry_lock;

/* A new heap, with a slow path begun; NULL when there is no memory for one. The caller holds the
 * lock. */
struct heap *registry_new_heap(enum heap_state state);

/* Whether any heap is parked. Needs no lock. */
bool registry_has_parked(void);

/* Adopts the heap that has been parked for longest, or makes one; NULL when there is no memory. */
struct heap *registry_adopt(void);

/* Adopts this heap; false if it is not parked. */
bool registry_adopt_this(struct heap *heap);

/* Steals a pool of the class with free blocks for `to`, which makes it ACTIVE, from one of the
 * heaps that have been parked for longest; NULL if they have none. */
struct pool *registry_steal(const struct heap *to, unsigned size_class);

/* Steals this pool for `to`; false if its owner is not parked, if `to` does not allocate from the
 * class, or if another thread has the lock. */
bool registry_steal_this(struct heap *to, struct pool *pool);

/* Parks the calling thread's heap. */
void registry_park(struct heap *heap);

/* Has the next frees of all threads take a slow path: of blocks of their own ACTIVE pools, and of
 * other threads' blocks. */
void registry_call_all(void);

/* Makes the next free of threads tick that have not ticked for a while: while they were busy their
 * ticks became rare, and they may have become quiet since. */
void registry_call_quiet(const struct heap *caller, uint64_t now_ms);

/* In a forked child: parks the heaps of the threads that are gone; those that were inside a slow
 * path are dead. */
void registry_repair(void);

/* How many heaps there are, and how many of them are parked. */
void registry_count(size_t *heaps, size_t *parked);

#endif
