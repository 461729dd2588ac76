/* world.c: stopping and going on. */
#include "world.h"

#include "count.h" // count_settle_queue
#include "error.h"
#include "gc.h" // gc_limit

#include "os/os.h"

#include <sched.h>
#include <stdatomic.h>

static struct lock collect_lock = LOCK_INIT(RANK_COLLECT); /* held by who collects */
/* Held while the world stands still: what the others wait for. */
static struct lock stop_lock = LOCK_INIT(RANK_STOP);
static atomic_bool stopping;

bool world_try_collect(void)
{
    return lock_try(&collect_lock);
}

bool world_is_mine(void)
{
    return lock_is_mine(&collect_lock);
}

void world_end_collect(void)
{
    lock_release(&collect_lock);
}

static void set_state(struct owner *owner, enum owner_state state)
{
    atomic_store(&owner->state, (uint8_t)state);
}

/* Until nobody wants the world to stand still; the calling thread is not RUNNING. */
static void wait_for_resume(void)
{
    while (atomic_load(&stopping)) {
        lock_acquire(&stop_lock);
        lock_release(&stop_lock);
    }
}

/* From any state to RUNNING. A collector either sees it running, and waits for it, or has been seen
 * here. */
static void run(struct owner *owner, enum owner_state waiting)
{
    set_state(owner, OWNER_RUNNING);
    while (atomic_load(&stopping)) {
        set_state(owner, waiting);
        wait_for_resume();
        set_state(owner, OWNER_RUNNING);
    }
    atomic_store_explicit(&owner->limit, gc_limit(), memory_order_relaxed);
}

void world_safepoint(struct owner *owner)
{
    if (UNLIKELY(atomic_load(&stopping)) && !lock_is_mine(&stop_lock)) {
        set_state(owner, OWNER_STOPPED);
        wait_for_resume();
        run(owner, OWNER_STOPPED);
    }
    if (UNLIKELY(atomic_load_explicit(&owner->queue, memory_order_relaxed) != NULL))
        count_settle_queue(owner);
}

void world_enter(struct owner *owner)
{
    set_state(owner, OWNER_RUNNING);
    while (atomic_load(&stopping)) {
        set_state(owner, OWNER_DETACHED);
        lock_release(&owner->lock);
        wait_for_resume();
        lock_acquire(&owner->lock);
        set_state(owner, OWNER_RUNNING);
    }
}

void world_leave(struct owner *owner)
{
    set_state(owner, OWNER_DETACHED);
}

static bool all_stand_still(void)
{
    bool still = true;
    for (struct owner *owner = atomic_load(&owner_first); owner != NULL; owner = owner->next) {
        if (owner == owner_self || owner_state(owner) != OWNER_RUNNING)
            continue;
        atomic_store_explicit(&owner->limit, -1, memory_order_relaxed);
        still = false;
    }
    return still;
}

bool world_is_still(void)
{
    return lock_is_mine(&stop_lock);
}

void world_resume(void)
{
    atomic_store(&stopping, false);
    lock_release(&stop_lock);
}

bool world_stop(unsigned ms)
{
    lock_acquire(&stop_lock);
    atomic_store(&stopping, true);
    uint64_t deadline = 0;
    while (!all_stand_still()) {
        uint64_t now = os_now_ms();
        deadline = deadline == 0 ? now + ms : deadline;
        if (now > deadline) {
            world_resume();
            return false;
        }
        sched_yield();
    }
    return true;
}

/* ---- The public names ---- */

void molt_gc_safepoint(void)
{
    if (owner_self != NULL)
        world_safepoint(owner_self);
}

void molt_gc_blocking_begin(void)
{
    if (owner_pause.blocks == 0 && owner_self != NULL) {
        count_settle_queue(owner_self);
        owner_begin_pause(&owner_pause.blocks);
        set_state(owner_pause.owner, OWNER_BLOCKED);
        return;
    }
    owner_begin_pause(&owner_pause.blocks);
}

void molt_gc_blocking_end(void)
{
    if (owner_pause.blocks == 0)
        return;
    if (owner_pause.blocks == 1 && owner_pause.owner != NULL)
        run(owner_pause.owner, OWNER_BLOCKED);
    owner_end_pause(&owner_pause.blocks);
    if (owner_self != NULL)
        count_settle_queue(owner_self);
}

bool world_reset_in_child(void)
{
    if (lock_reset_in_child(&stop_lock))
        atomic_store(&stopping, false);
    return lock_reset_in_child(&collect_lock);
}
