/* thread.h: which heap the calling thread has.
 *
 * A thread begins with zeroes: no heap, nobody's cookie, no size that the fast path would take. Its
 * first malloc adopts a heap, or its first free of a block of a parked one; a key's destructor
 * parks it. What the thread's later destructors allocate comes from a heap borrowed for one call,
 * so nothing is left behind however late they come.
 *
 * All zero is also what the main thread sees while the program is being relocated, when a
 * resolver of an indirect function may call malloc. What it stores here is then overwritten by the
 * loader; that heap is forgotten, its blocks are not: they are freed as another thread's. */
#ifndef ALLOC_THREAD_H
#define ALLOC_THREAD_H

#include "heap.h"
#include "thread_self.h"

#include <stdbool.h>

/* Inside a slow path the fast ones are closed (no cookie, no size, no outbox): a signal handler
 * that comes then takes a slow path itself, and finds that it must not enter the heap. While blocks
 * are to be filled (perturb.h) the first two stay so, and no chain of the outbox takes a block. */

/* Whether the caller is a signal handler that interrupted its own thread's slow path. */
bool thread_is_reentered(void);

/* Enters a slow path: the calling thread's heap, marked busy. NULL when there is no memory for a
 * heap, or when a signal handler has interrupted a slow path. */
struct heap *thread_enter(void);

/* The same without making a heap for a thread that has none. */
struct heap *thread_enter_existing(void);

/* The same to free a block of `owner`'s: a thread that has no heap yet adopts that one if it is
 * parked, or becomes so when others are let run once. */
struct heap *thread_enter_by_free(struct heap *owner);

/* Leaves the slow path, with a look at the clock if one is due. */
void thread_leave(struct heap *heap);

/* Makes the key whose destructor parks heaps, if there is none yet. By the constructor: destructors
 * run in the order of their keys, and those of the program find a thread that is in no blocking
 * region any more. */
void thread_init(void);

#endif
