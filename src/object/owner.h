/* owner.h: a heap as the owner of objects, and the thread that acts for it.
 *
 * A thread becomes its heap's owner when it first makes or counts an object, or changes a field:
 * from then on molt_self holds its tag, and the inline functions count its objects. When the thread
 * ends the owner is detached, until a later thread that has adopted the heap attaches again. Owners
 * live as long as the process.
 *
 *   DETACHED <--> RUNNING <--> BLOCKED    (molt_gc_blocking_begin: uses no objects)
 *                    ^-------> STOPPED    (at a safepoint, while a collector looks; world.h)
 *
 * `count` and `limit` bring a running thread to its slow path, and so to a safepoint: a new object
 * with which the count passes the limit goes there. Others write nothing but -1 there, after they
 * have said what they want (owner_call); the owner puts its limit back before it looks what that is
 * (safepoint.c). So no call is lost. */
#ifndef OBJECT_OWNER_H
#define OBJECT_OWNER_H

#include "header.h"

#include "alloc/heap.h"
#include "base/attributes.h"
#include "base/lock.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum owner_state { OWNER_DETACHED, OWNER_RUNNING, OWNER_BLOCKED, OWNER_STOPPED };

struct owner {
    struct heap *heap;
    uint64_t self;           /* molt_self of the attached thread */
    uint64_t newborn;        /* the header of a new object, but for its type */
    int32_t count;           /* tracked objects made less those that died, since a collection */
    _Atomic uint32_t resets; /* … the last one that the count knows of (gc/pacing.c) */
    _Atomic int32_t limit;   /* what the count may be; -1: come to a safepoint */
    _Atomic uint8_t state;   /* enum owner_state */
    int32_t wait_at;         /* the count at which it waits for who collects (gc/straggler.c) */
    _Atomic uint32_t thread; /* the attached thread's id */
    _Atomic uint32_t safepoint_ms; /* when it was at one, the lower half of the clock */
    atomic_bool is_missing;        /* a collection has waited for it in vain (gc/straggler.c) … */
    atomic_bool is_stuck;          /* … with much patience */
    bool lacks_table; /* perhaps: in a forked child, the heap's pools (gc_table_complete) */
    struct lock lock; /* attaching, detaching, and counting for a detached owner */
    _Atomic(struct shared_counts *)
        queue;          /* shared counts with objects whose count others brought to be settled */
    struct owner *next; /* of all owners, from owner_first */
};

/* The calling thread's; NULL until it is attached, and while it must not use objects. */
extern HIDDEN THREAD_LOCAL struct owner *owner_self;

extern HIDDEN _Atomic(struct owner *) owner_first;

/* The owner's thread, if it runs, comes to a safepoint: what the caller has stored before is seen
 * there. */
static inline void owner_call(struct owner *owner)
{
    atomic_store_explicit(&owner->limit, -1, memory_order_release);
}

/* What molt_self is while the thread owns nothing: no header has this tag. */
#define SELF_NONE ((uint64_t)MOLT_NOBODY << TAG_SHIFT)

/* The same for all owners: what they may count, say, has changed. */
void owner_call_all(void);

/* NULL: the heap owns no object. */
struct owner *owner_of_heap(unsigned heap_number);

/* While a forked child is repaired: the owners of threads that are gone are detached. */
void owner_repair(void);

/* In a forked child: threads are gone that were between two safepoints, where what refers to an
 * object need not be counted. So a few fields may refer to more than there are references. */
extern HIDDEN bool owner_running_lost;

/* While a traverse callback runs, or the thread is in a blocking region, it must touch no count: it
 * looks as if it were not attached, so that all counting comes to the slow paths, which ask here.
 */
struct owner_pause {
    struct owner *owner; /* which the thread has all the while, or NULL */
    unsigned traverses, blocks;
};

extern HIDDEN THREAD_LOCAL struct owner_pause owner_pause;

static inline bool owner_must_not_count(void)
{
    return (owner_pause.traverses | owner_pause.blocks) != 0;
}

static inline void owner_begin_pause(unsigned *reason)
{
    if (!owner_must_not_count())
        owner_pause.owner = owner_self;
    (*reason)++;
    owner_self = NULL;
    molt_self = SELF_NONE;
}

static inline void owner_end_pause(unsigned *reason)
{
    (*reason)--;
    if (owner_must_not_count() || owner_pause.owner == NULL)
        return;
    owner_self = owner_pause.owner;
    molt_self = owner_self->self;
}

static inline enum owner_state owner_state(const struct owner *owner)
{
    return (enum owner_state)atomic_load(&owner->state);
}

#endif
