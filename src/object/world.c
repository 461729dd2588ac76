/* world.c: stopping and going on. */
#include "world.h"

#include "count.h" // count_settle_queue
#include "error.h"
#include "gc.h" // gc_limit
#include "pace.h"

#include "base/fork.h"
#include "os/os.h"

#include <errno.h>
#include <stdatomic.h>

static struct lock collect_lock = LOCK_INIT(RANK_COLLECT); /* held by who collects */
/* Held while the world stands still: what the others wait for. */
static struct lock stop_lock = LOCK_INIT(RANK_STOP);
static atomic_bool stopping;

/* In a forked child who held it may be gone, and so may the other owners. */
bool world_try_collect(void)
{
    fork_check();
    return lock_try(&collect_lock);
}

int world_begin_collect(bool *begins)
{
    *begins = false;
    if (owner_must_not_count())
        return EBUSY;
    struct owner *owner = owner_attach();
    if (owner == NULL)
        return ENOMEM;
    if (world_is_mine())
        return 0;
    pace_arrive(owner);
    while (!world_try_collect()) {
        world_safepoint(owner);
        os_yield();
    }
    *begins = true;
    return 0;
}

bool world_is_mine(void)
{
    return lock_is_mine(&collect_lock);
}

bool world_is_collected(void)
{
    return atomic_load(&collect_lock.word) != 0;
}

bool world_is_still(void)
{
    return lock_is_mine(&stop_lock);
}

/* Nobody has waited for the thread while it collected. */
void world_end_collect(void)
{
    if (owner_self != NULL)
        pace_arrive(owner_self);
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

/* Whether the calling thread has to stand still. */
static bool must_stop(void)
{
    return UNLIKELY(atomic_load(&stopping)) && !world_is_still();
}

/* From any state to RUNNING. A collector stores `stopping` and then reads `state`, an owner stores
 * `state` and then reads `stopping`, all in one order (Dekker's; sequentially consistent, as
 * everything that names no order is): the collector sees it running, and waits for it, or has been
 * seen here. */
static void run(struct owner *owner, enum owner_state waiting)
{
    set_state(owner, OWNER_RUNNING);
    while (must_stop()) {
        set_state(owner, waiting);
        wait_for_resume();
        set_state(owner, OWNER_RUNNING);
    }
    pace_arrive(owner); /* it has stood still until now */
}

/* The owner's own limit instead of a call's -1. An exchange: a call that it replaces is acquired,
 * so what the caller wants is seen by who looks after this; a call that comes later stays. That
 * goes for a new limit, too, so it is asked for again. */
static void take_limit(struct owner *owner)
{
    while (atomic_load_explicit(&owner->limit, memory_order_relaxed) != gc_limit())
        atomic_exchange_explicit(&owner->limit, gc_limit(), memory_order_acq_rel);
}

#define REST_US 200

void world_rest(struct owner *owner)
{
    set_state(owner, OWNER_STOPPED);
    os_sleep_us(REST_US);
    run(owner, OWNER_STOPPED);
}

/* In a visitor calls have to wait. */
void world_safepoint(struct owner *owner)
{
    if (UNLIKELY(world_is_still()))
        return;
    pace_arrive(owner);
    take_limit(owner);
    while (must_stop()) {
        run(owner, OWNER_STOPPED);
        take_limit(owner);
    }
}

/* As in run(). An owner that is new joins the list before its state is stored, and the collector
 * reads the list after it has stored `stopping`: also in the one order. */
void world_enter(struct owner *owner)
{
    set_state(owner, OWNER_RUNNING);
    while (must_stop()) {
        set_state(owner, OWNER_DETACHED);
        lock_release(&owner->lock);
        wait_for_resume();
        lock_acquire(&owner->lock);
        set_state(owner, OWNER_RUNNING);
    }
    pace_arrive(owner); /* what is noted there may be another thread's */
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
        owner_call(owner);
        still = false;
    }
    return still;
}

void world_resume(void)
{
    atomic_store(&stopping, false);
    lock_release(&stop_lock);
}

#define YIELD_MS 8 /* before the wait becomes a sleep */

bool world_stop(unsigned ms)
{
    lock_acquire(&stop_lock);
    atomic_store(&stopping, true);
    uint64_t start = 0;
    while (!all_stand_still()) {
        uint64_t now = os_now_ms();
        start = start == 0 ? now : start;
        if (now > start + ms) {
            pace_note_missing(ms);
            world_resume();
            return false;
        }
        if (now < start + YIELD_MS)
            os_yield();
        else
            os_sleep_us(REST_US);
    }
    pace_note_still();
    return true;
}

/* ---- The public names ---- */

void molt_gc_safepoint(void)
{
    struct owner *owner = owner_self;
    if (owner == NULL || world_is_still())
        return;
    if (UNLIKELY(pace_arrive(owner)))
        pace_linger(owner);
    world_safepoint(owner);
    count_settle_queue(owner);
}

void molt_gc_blocking_begin(void)
{
    if (owner_pause.blocks == 0 && owner_self != NULL) {
        count_settle_queue(owner_self);
        pace_arrive(owner_self);
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

void world_end_blocking(void)
{
    if (owner_pause.blocks == 0)
        return;
    owner_pause.blocks = 1;
    molt_gc_blocking_end();
}

bool world_was_collected(void)
{
    return lock_is_left(&collect_lock);
}

void world_repair(void)
{
    if (lock_is_left(&stop_lock))
        atomic_store(&stopping, false);
    lock_free_left(&stop_lock);
    lock_free_left(&collect_lock);
}
