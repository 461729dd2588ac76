/* thread_self.h: what the fast paths know of the calling thread.
 *
 * All words are zero at first: no heap, a cookie that no heap has, no size that the fast path
 * serves. So a thread without a heap takes the slow paths, without a test for that case. */
#ifndef ALLOC_THREAD_SELF_H
#define ALLOC_THREAD_SELF_H

#include "base/attributes.h"

#include <stddef.h>
#include <stdint.h>

struct heap;
struct outbox_slot;

struct thread {
    struct heap *heap;
    uintptr_t cookie;   /* heap_cookie(heap); no heap has 0 */
    size_t small_limit; /* malloc_fast serves sizes below it: TABLE_MAX + 1; without a heap 0 */
    uintptr_t operator_cookie;  /* cookie and small_limit as C++'s operators see them: */
    size_t operator_limit;      /* 0 until thread_operators_open */
    struct outbox_slot *outbox; /* the heap's; NULL while the thread is inside a slow path */
};

extern HIDDEN THREAD_LOCAL struct thread thread_self;

/* All bits are set once it is known that operator new and delete lead to molt in every form. Until
 * then it is 0, and each of their calls takes a slow path, which finds out where it leads. A thread
 * learns of the change at its next slow path. */
extern HIDDEN uintptr_t thread_operators_open;

#endif
