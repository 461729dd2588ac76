/* collector.c: the collector's lock, and how its attempts to stop the world end. */
#include "collector.h"

#include "straggler.h"

#include "base/fork.h"
#include "object/attach.h"
#include "object/safepoint.h"
#include "os/os.h" // os_yield

#include <errno.h>

static struct lock collector_lock = LOCK_INIT(RANK_COLLECTOR);

/* In a forked child the collector may be gone, and threads of owners that would be waited for. */
bool collector_try_begin(void)
{
    fork_check();
    return lock_try(&collector_lock);
}

int collector_begin(bool *begins)
{
    *begins = false;
    if (owner_must_not_count())
        return errno = EBUSY;
    struct owner *owner = attach_thread();
    if (owner == NULL)
        return errno = ENOMEM;
    if (collector_is_mine())
        return 0;
    safepoint_arrive(owner);
    while (!collector_try_begin()) {
        safepoint_poll(owner);
        os_yield();
    }
    *begins = true;
    return 0;
}

bool collector_is_mine(void)
{
    return lock_is_mine(&collector_lock);
}

bool collector_is_running(void)
{
    return atomic_load(&collector_lock.word) != 0;
}

/* The collector itself is at a safepoint: no collection has waited for it meanwhile. */
void collector_end(void)
{
    if (owner_self != NULL)
        safepoint_arrive(owner_self);
    lock_release(&collector_lock);
}

bool collector_stop_world(unsigned ms)
{
    bool stands_still = safepoint_stop_world(ms);
    if (stands_still) {
        straggler_note_still();
    } else {
        straggler_note_missing(ms);
        safepoint_resume_world();
    }
    return stands_still;
}

bool collector_is_left(void)
{
    return lock_is_left(&collector_lock);
}

void collector_repair(void)
{
    lock_free_left(&collector_lock);
}
