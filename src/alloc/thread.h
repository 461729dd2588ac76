/* thread.h: entering and leaving slow paths, and which heap the thread has.
 *
 * A thread's first malloc adopts a heap, or its first free of a block of a parked heap does. The
 * destructor of a thread-specific key parks the heap when the thread ends. Destructors that run
 * later and allocate borrow a heap for one call, so that nothing is left behind however late they
 * run.
 *
 * Inside a slow path the fast paths are closed (no cookie, no size, no outbox): so a signal handler
 * that interrupts it takes a slow path itself, and finds that it must not enter the heap. While
 * blocks are filled (perturb.h) cookie and size stay closed outside of slow paths as well, and no
 * chain of the outbox takes a block.
 *
 * While the program is being relocated, a resolver of an indirect function may call malloc. What
 * the main thread stores in thread_self then is overwritten by the loader: so that heap is
 * forgotten, and its blocks are freed as another thread's. */
#ifndef ALLOC_THREAD_H
#define ALLOC_THREAD_H

#include "heap.h"
#include "thread_self.h"

#include <stdbool.h>

/* Whether the caller is a signal handler that interrupted its own thread's slow path. */
bool thread_is_reentered(void);

/* Enters a slow path: returns the calling thread's heap, with a slow path begun. NULL when there is
 * no memory for a heap, or when the caller is a signal handler that interrupted a slow path. */
struct heap *thread_enter(void);

/* The same, but NULL for a thread that has no heap. */
struct heap *thread_enter_existing(void);

/* The same in order to free a block of `owner`'s: a thread that has no heap yet adopts that one, if
 * it is parked or becomes so while the caller lets other threads run once. */
struct heap *thread_enter_by_free(struct heap *owner);

/* Leaves the slow path, with a tick if one is due. */
void thread_leave(struct heap *heap);

/* Makes the key whose destructor parks heaps, if there is none yet. The library's constructor does
 * so before the program makes keys: destructors run in the order of their keys, and the program's
 * must find that the thread is in no blocking region of objects any more. */
void thread_init(void);

#endif
