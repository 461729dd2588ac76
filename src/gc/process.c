/* process.c: what the thread's end, a fork and the program's end mean for objects, and the hooks by
 * which the layers below come here. */
#include "process.h"

#include "callback.h" // callback_repair
#include "collector.h"
#include "gc.h"
#include "incremental.h" // incremental_end
#include "pacing.h"      // pacing_limit
#include "scratch.h"     // scratch_give
#include "straggler.h"

#include "alloc/hooks.h"
#include "base/fork.h"
#include "base/options.h"
#include "base/report.h" // report_stderr
#include "object/blocking.h"
#include "object/count.h" // count_merge_queue
#include "object/death.h" // death_end_all
#include "object/hooks.h"
#include "object/owner.h"
#include "object/safepoint.h"
#include "object/gc_table.h"
#include "object/type.h"
#include "object/weak.h"

#include <limits.h> // PTHREAD_DESTRUCTOR_ITERATIONS
#include <stdlib.h>

int (*process_report)(int fd);

static THREAD_LOCAL unsigned ends_put_off; /* rounds of other destructors */

/* ---- The thread's end ---- */

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

static bool thread_ends(struct heap *heap)
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

/* ---- Fork ---- */

static void repair_collection(void)
{
    gc_table_forget_collection();
    incremental_end();
    scratch_give();
}

/* In a forked child, whose other threads are gone. */
static void repair(void)
{
    bool was_collecting = collector_is_left();
    owner_repair();
    gc_table_repair();
    if (was_collecting)
        repair_collection();
    callback_repair();
    type_repair();
    weak_repair();
    safepoint_repair();
    collector_repair();
}

/* ---- Begin and end ---- */

static void at_exit(void)
{
    gc_collect_at_exit();
    if (!options.objects || process_report == NULL)
        return;
    blocking_end_all();
    process_report(report_stderr());
}

static void first_owner(void)
{
    static atomic_bool is_registered;
    fork_set_repair(FORK_OBJECT, repair);
    if (!atomic_exchange(&is_registered, true))
        atexit(at_exit);
}

/* A constructor of another library may have made objects before. */
__attribute__((constructor)) static void fill_hooks(void)
{
    object_hooks.first_owner = first_owner;
    object_hooks.new_object = gc_new_object;
    object_hooks.limit = pacing_limit;
    object_hooks.late_thread = straggler_has_come;
    object_hooks.keep_late_thread = straggler_linger;
    object_hooks.thread_ends = thread_ends;
    object_hooks.gc_table_gone = incremental_side_gone;
    if (atomic_load(&owner_first) != NULL)
        first_owner();
    owner_call_all();
}
