/* thread_self.h: what the fast paths know of the calling thread.
 *
 * A thread begins with zeroes: no heap, nobody's cookie, no size that the fast path would take. */
#ifndef ALLOC_THREAD_SELF_H
#define ALLOC_THREAD_SELF_H

#include "base/attributes.h"

#include <stddef.h>
#include <stdint.h>

struct heap;
struct outbox_slot;

struct thread {
    struct heap *heap;
    uintptr_t cookie;          /* heap_cookie(heap); 0 is nobody's */
    size_t small_limit;        /* malloc_fast serves sizes below: TABLE_MAX + 1; without a heap 0 */
    uintptr_t operator_cookie; /* cookie and small_limit as C++'s operators see them: */
    size_t operator_limit;     /* 0 until thread_operators_open */
    struct outbox_slot *outbox; /* the heap's; NULL while something may not be interrupted */
};

extern HIDDEN THREAD_LOCAL struct thread thread_self;

/* All bits from when it is known that operator new and delete lead here in every form; until then
 * 0, which sends each of their calls to a slow path that looks where it leads. A thread learns of
 * it at its next slow path. */
extern HIDDEN uintptr_t thread_operators_open;

#endif
