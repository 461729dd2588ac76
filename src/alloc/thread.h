/* thread.h: which heap the calling thread has.
 *
 * A thread begins with `no_heap`, in which every list is empty, so its first malloc takes the slow
 * path; that adopts a heap. A key's destructor parks it. What the thread's later destructors
 * allocate comes from a heap borrowed for one call, so nothing is left behind however late they
 * come. */
#ifndef ALLOC_THREAD_H
#define ALLOC_THREAD_H

#include "heap.h"

#include "base/attributes.h"

#include <stdbool.h>
#include <stdint.h>

struct thread {
    struct heap *heap;
    uintptr_t cookie; /* heap_cookie(heap); 0 is nobody's */
};

extern HIDDEN THREAD_LOCAL struct thread thread_self;

extern HIDDEN struct heap no_heap; /* read only */

static inline bool thread_has_heap(void)
{
    return thread_self.heap != &no_heap;
}

/* Enters a slow path: the calling thread's heap, marked busy. NULL when there is no memory for a
 * heap, or when a signal handler interrupted this thread's own slow path. */
struct heap *thread_enter(void);

/* The same without making a heap for a thread that has none. */
struct heap *thread_enter_existing(void);

/* Leaves the slow path, with a look at the clock if one is due. */
void thread_leave(struct heap *heap);

/* The key whose destructor parks the heap. False when the process has no key left. */
bool thread_init(void);

#endif
