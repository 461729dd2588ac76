/* safepoint.c: standing still, and stopping the world. */
#include "safepoint.h"

#include "hooks.h"

#include "os/os.h"

#include <stdatomic.h>

/* Held from safepoint_stop_world to safepoint_resume_world; the other threads wait for it. */
static struct lock stop_lock = LOCK_INIT(RANK_STOP);

/* The world is stopped, or is to be. */
static atomic_bool stopping;

bool safepoint_world_is_mine(void)
{
    return lock_is_mine(&stop_lock);
}

bool safepoint_arrive(struct owner *owner)
{
    atomic_store_explicit(&owner->safepoint_ms, (uint32_t)os_now_ms(), memory_order_relaxed);
    if (LIKELY(!atomic_load_explicit(&owner->is_missing, memory_order_relaxed)))
        return false;
    atomic_store(&owner->is_missing, false);
    atomic_store(&owner->is_stuck, false);
    object_hooks.late_thread(owner);
    return true;
}

/* Waits while `stopping`. The calling thread's owner is not RUNNING. */
static void wait_until_resumed(void)
{
    while (atomic_load(&stopping)) {
        lock_acquire(&stop_lock);
        lock_release(&stop_lock);
    }
}

/* Whether the calling thread must stand still for another one. */
static bool must_stop(void)
{
    return UNLIKELY(atomic_load(&stopping)) && !safepoint_world_is_mine();
}

/* The owner becomes RUNNING; while the world is stopped it waits in the state `waiting`.
 * The collector stores `stopping` and then reads `state`; an owner's thread stores `state` and then
 * reads `stopping`. All four accesses are sequentially consistent, as is every atomic access here
 * that names no order. So at least one of the two threads sees the other's store (Dekker): the
 * collector waits for this owner, or this thread sees `stopping`. */
static void become_running(struct owner *owner, enum owner_state waiting)
{
    owner_set_state(owner, OWNER_RUNNING);
    while (must_stop()) {
        owner_set_state(owner, waiting);
        wait_until_resumed();
        owner_set_state(owner, OWNER_RUNNING);
    }
    safepoint_arrive(owner); /* the owner has stood still until now */
}

/* Puts the owner's own limit back in the place of a call's -1 (owner_call). By an exchange: it
 * acquires the call that it replaces, so the owner sees what the caller wants; a call that comes
 * later stays. The limit may itself be what has changed, so the loop asks for it again. */
static void reset_limit(struct owner *owner)
{
    while (atomic_load_explicit(&owner->limit, memory_order_relaxed) != object_hooks.limit())
        atomic_exchange_explicit(&owner->limit, object_hooks.limit(), memory_order_acq_rel);
}

#define REST_US 200

void safepoint_rest(struct owner *owner)
{
    owner_set_state(owner, OWNER_STOPPED);
    os_sleep_us(REST_US);
    become_running(owner, OWNER_STOPPED);
}

/* A visitor's thread has stopped the world itself: calls to it wait. */
void safepoint_poll(struct owner *owner)
{
    if (UNLIKELY(safepoint_world_is_mine()))
        return;
    safepoint_arrive(owner);
    reset_limit(owner);
    while (must_stop()) {
        become_running(owner, OWNER_STOPPED);
        reset_limit(owner);
    }
}

/* As in become_running(). A new owner joins the list before its state is stored, and the collector
 * reads the list after it has stored `stopping`: these are in the same order, too. */
void safepoint_enter(struct owner *owner)
{
    owner_set_state(owner, OWNER_RUNNING);
    while (must_stop()) {
        owner_set_state(owner, OWNER_DETACHED);
        lock_release(&owner->lock);
        wait_until_resumed();
        lock_acquire(&owner->lock);
        owner_set_state(owner, OWNER_RUNNING);
    }
    safepoint_arrive(owner); /* a former thread of the owner may have been missing */
}

void safepoint_unblock(struct owner *owner)
{
    become_running(owner, OWNER_BLOCKED);
}

/* ---- Stopping the world ---- */

/* Whether no other owner is RUNNING; calls those that are. */
static bool all_stand_still(void)
{
    bool still = true;
    for (struct owner *owner = atomic_load(&owner_first); owner != NULL; owner = owner->next) {
        if (owner == owner_self || owner_state(owner) != OWNER_RUNNING)
            continue;
        owner_call(owner);
        still = false;
    }
    return still;
}

void safepoint_resume_world(void)
{
    atomic_store(&stopping, false);
    lock_release(&stop_lock);
}

#define YIELD_MS 8 /* of yielding, before the wait becomes a sleep */

bool safepoint_stop_world(unsigned ms)
{
    lock_acquire(&stop_lock);
    atomic_store(&stopping, true);
    uint64_t start = 0;
    while (!all_stand_still()) {
        uint64_t now = os_now_ms();
        start = start == 0 ? now : start;
        if (now > start + ms)
            return false;
        if (now < start + YIELD_MS)
            os_yield();
        else
            os_sleep_us(REST_US);
    }
    return true;
}

void safepoint_repair(void)
{
    if (lock_is_left(&stop_lock))
        atomic_store(&stopping, false);
    lock_free_left(&stop_lock);
}
