/* owner.h: a heap as the owner of objects, and the thread that acts for it.
 *
 * A thread attaches, and is its heap's owner from then on, when it first makes or counts an object
 * or changes a field (attach.h): molt_self holds the owner's tag, and the inline functions count
 * its objects. When the thread ends the owner is detached; a later thread that adopts the heap
 * attaches again. An owner lives as long as the process.
 *
 *             attach                molt_gc_blocking_begin
 *   DETACHED <-------> RUNNING <------------------------------> BLOCKED
 *                         ^
 *                         +-----> STOPPED: waits at a safepoint while the world is stopped
 *
 * All but RUNNING count as standing still (safepoint.h). The owner's thread alone changes the
 * state; in a forked child owner_repair detaches the owners of threads that are gone.
 *
 * `count` and `limit` bring a running thread to its slow path, and so to a safepoint: a new object
 * that finds count >= limit is made there. A thread that wants something of an owner stores what it
 * wants, and then -1 into the limit (owner_call). The owner's thread puts its own limit back before
 * it asks what others want (reset_limit in safepoint.c), so no call is lost. */
#ifndef OBJECT_OWNER_H
#define OBJECT_OWNER_H

#include "header.h"

#include "alloc/heap.h"
#include "alloc/map.h" // map_heap
#include "base/attributes.h"
#include "base/lock.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum owner_state { OWNER_DETACHED, OWNER_RUNNING, OWNER_BLOCKED, OWNER_STOPPED };

struct owner {
    struct heap *heap;       /* the heap that owns the objects */
    uint64_t self;           /* molt_self of the attached thread */
    uint64_t newborn;        /* header of a new object, but for its type */
    int32_t count;           /* tracked objects that its thread made, less those that died on it */
    _Atomic int32_t limit;   /* the count at which a new object takes the slow path; -1: called */
    _Atomic uint32_t thread; /* id of the attached thread */
    _Atomic uint8_t state;   /* enum owner_state */
    bool lacks_table;        /* in a forked child: a pool may lack its GC table */
    struct lock lock;        /* for attaching, detaching, and merging counts of a detached owner */
    _Atomic(struct shared_counts *) queue; /* shared counts to be merged (count.h) */
    struct owner *next;                    /* in the list of all owners, from owner_first */

    /* The collector's. Here safepoint_arrive alone uses them: it stores the time, and clears the
     * flags when the thread is there at last. */
    _Atomic uint32_t safepoint_ms; /* time of the last safepoint: lower half of os_now_ms() */
    atomic_bool is_missing;        /* a collection waited for the thread in vain (gc/straggler.c) */
    atomic_bool is_stuck;          /* even a patient one did */
    _Atomic uint32_t resets;       /* resets of all counts that this count has seen (gc/pacing.c) */
    int32_t wait_at;               /* count at which it waits for a collection (gc/throttle.c) */
};

/* A tracked object has died on the thread of the owner, which may be NULL. */
static ALWAYS_INLINE void owner_count_down(struct owner *owner)
{
    if (LIKELY(owner != NULL && owner->count > 0))
        owner->count--;
}

/* The calling thread's owner; NULL until it attaches, and while its use of objects is suspended. */
extern HIDDEN THREAD_LOCAL struct owner *owner_self;

/* The first of all owners. The list only grows. */
extern HIDDEN _Atomic(struct owner *) owner_first;

/* Brings the owner's thread to a safepoint, where it sees what the caller has stored before. */
static inline void owner_call(struct owner *owner)
{
    atomic_store_explicit(&owner->limit, -1, memory_order_release);
}

/* molt_self of a thread that has no owner: no header has this tag. */
#define SELF_NONE ((uint64_t)MOLT_NOBODY << TAG_SHIFT)

/* Calls all owners. */
void owner_call_all(void);

/* The owner of a heap; NULL: it has none. */
static inline struct owner *owner_of_heap(unsigned heap_number)
{
    return map_heap(heap_number)->objects.owner;
}

/* While a forked child is repaired: the owners of threads that are gone are detached. */
COLD void owner_repair(void);

/* True in a forked child some of whose parent's threads vanished while RUNNING. Such a thread may
 * have been moving a reference, so an object may have more fields that refer to it than counts. */
extern HIDDEN bool owner_running_lost;

/* A thread must touch no count while a traverse callback runs, or in a blocking region. Its use of
 * objects is suspended: it seems to have no owner, so all counting comes to the slow paths, which
 * ask owner_must_not_count. */
struct owner_suspension {
    struct owner *owner; /* the thread's owner all the while, or NULL */
    unsigned traverses;  /* traverse callbacks that the thread is in */
    unsigned blocks;     /* blocking regions that the thread is in */
};

extern HIDDEN THREAD_LOCAL struct owner_suspension owner_suspension;

static inline bool owner_must_not_count(void)
{
    return (owner_suspension.traverses | owner_suspension.blocks) != 0;
}

/* Begins a suspension for one more reason: &owner_suspension.traverses or &….blocks. */
static inline void owner_suspend(unsigned *reason)
{
    if (!owner_must_not_count())
        owner_suspension.owner = owner_self;
    (*reason)++;
    owner_self = NULL;
    molt_self = SELF_NONE;
}

/* Ends it: the thread has its owner again when no reason is left. */
static inline void owner_resume(unsigned *reason)
{
    (*reason)--;
    if (owner_must_not_count() || owner_suspension.owner == NULL)
        return;
    owner_self = owner_suspension.owner;
    molt_self = owner_self->self;
}

static inline enum owner_state owner_state(const struct owner *owner)
{
    return (enum owner_state)atomic_load(&owner->state);
}

static inline void owner_set_state(struct owner *owner, enum owner_state state)
{
    atomic_store(&owner->state, (uint8_t)state);
}

#endif
