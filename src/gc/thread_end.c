/* thread_end.c: leaves all that the thread was in the middle of, then detaches its owner. */
#include "thread_end.h"

#include "collect.h" // collect_abandon
#include "collector.h"

#include "object/blocking.h"
#include "object/count.h" // count_merge_queue
#include "object/death.h" // death_end_all
#include "object/gc_table.h"
#include "object/owner.h"
#include "object/safepoint.h"

#include <limits.h> // PTHREAD_DESTRUCTOR_ITERATIONS

static THREAD_LOCAL unsigned ends_put_off; /* times that other destructors were let go first */

/* The thread has ended in a callback of a collection or in a visitor. Garbage that is kept for its
 * finalizers stays. */
static void abandon_collection(void)
{
    if (!collector_is_mine())
        return;
    if (!gc_table_lock_is_mine()) /* a visitor and a traverse callback run under the lock */
        gc_table_lock_acquire();
    collect_abandon();
    gc_table_lock_release();
    if (safepoint_world_is_mine())
        safepoint_resume_world();
    collector_end();
}

/* A collection first, for which other threads may be waiting. Then the thread's pauses end, so that
 * it has its owner again, with which it can bring what was dying to an end. */
static void leave_everything(void)
{
    abandon_collection();
    if (owner_suspension.traverses != 0) {
        owner_suspension.traverses = 1;
        owner_resume(&owner_suspension.traverses);
    }
    blocking_end_all();
    if (owner_self != NULL)
        death_end_all();
}

/* Detaches the owner when its queue of counts to merge is empty: later nothing may be merged here,
 * since objects could die of it while the world is stopped. A thread that queues an object stores
 * the queue and then reads `state`; this one stores `state` and then reads the queue. As all four
 * accesses are sequentially consistent (Dekker's algorithm), one of the two sees that it has to
 * merge. */
static void detach_owner(struct owner *owner)
{
    bool is_merged;
    do {
        leave_everything();       /* also what a finalizer in the last round has begun */
        count_merge_queue(owner); /* as long as the thread may let objects die */
        safepoint_arrive(
            owner); /* as late as that: nobody has to wait for the thread from here on */
        lock_acquire(&owner->lock);
        safepoint_leave(owner);
        is_merged = atomic_load(&owner->queue) == NULL;
        if (!is_merged)
            safepoint_enter(owner);
        lock_release(&owner->lock);
    } while (!is_merged);
    owner_self = NULL;
    molt_self = SELF_NONE;
}

bool thread_end_detach(struct heap *heap)
{
    struct owner *owner = heap->objects.owner;
    leave_everything();
    if (owner == NULL || owner != owner_self)
        return false;
    if (ends_put_off < PTHREAD_DESTRUCTOR_ITERATIONS - 2) {
        ends_put_off++;
        return true;
    }
    detach_owner(owner);
    return false;
}
