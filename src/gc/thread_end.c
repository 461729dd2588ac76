/* thread_end.c: leaving all that the thread is in, then detaching its owner. */
#include "thread_end.h"

#include "collector.h"
#include "incremental.h" // incremental_end

#include "object/blocking.h"
#include "object/count.h" // count_merge_queue
#include "object/death.h" // death_end_all
#include "object/gc_table.h"
#include "object/owner.h"
#include "object/safepoint.h"

#include <limits.h> // PTHREAD_DESTRUCTOR_ITERATIONS

static THREAD_LOCAL unsigned ends_put_off; /* rounds of other destructors */

/* A callback of a collection, or a visitor, has ended its thread: others may collect again. What
 * was garbage and has been kept for its finalizers stays. */
static void abandon_collection(void)
{
    if (!collector_is_mine())
        return;
    if (!gc_table_lock_is_mine())
        gc_table_lock_acquire();
    incremental_end();
    gc_table_forget_collection();
    gc_table_lock_release();
    if (safepoint_world_is_mine())
        safepoint_resume_world();
    collector_end();
}

static void leave_everything(void)
{
    abandon_collection();
    if (owner_pause.traverses != 0) {
        owner_pause.traverses = 1;
        owner_end_pause(&owner_pause.traverses);
    }
    blocking_end_all();
    if (owner_self != NULL)
        death_end_all();
}

/* Nothing is settled, and so nothing dies, after the owner has been detached: the world may stand
 * still then. So either the queue is seen here that another thread has filled, or that thread sees
 * in `state`, which it reads after it has filled the queue, that it has to settle. That needs one
 * order of all four accesses (Dekker's): they are sequentially consistent. */
static void detach(struct owner *owner)
{
    bool is_settled;
    do {
        leave_everything(); /* also what a finalizer has begun */
        count_merge_queue(owner);
        safepoint_arrive(owner);
        lock_acquire(&owner->lock);
        safepoint_leave(owner);
        is_settled = atomic_load(&owner->queue) == NULL;
        if (!is_settled)
            safepoint_enter(owner);
        lock_release(&owner->lock);
    } while (!is_settled);
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
    detach(owner);
    return false;
}
