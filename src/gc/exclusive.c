/* exclusive.c: beginning and ending access. */
#include "exclusive.h"

#include "collector.h"

#include "object/gc_table.h"
#include "object/owner.h"
#include "object/safepoint.h"

#include <errno.h>

/* How long the other threads may take to come to a safepoint. */
#define STOP_MS 1000
#define STOP_MS_TRY 100

/* By the collector. */
static void stop_and_lock(struct exclusive *exclusive, unsigned stop_ms)
{
    exclusive->locks = !gc_table_lock_is_mine();
    exclusive->stops =
        exclusive->locks && !safepoint_world_is_mine() && collector_stop_world(stop_ms);
    exclusive->is_still = safepoint_world_is_mine();
    if (exclusive->locks)
        gc_table_lock_acquire();
}

int exclusive_begin(struct exclusive *exclusive)
{
    *exclusive = (struct exclusive){.is_still = false};
    int error = collector_begin(&exclusive->collects);
    if (error == 0)
        stop_and_lock(exclusive, STOP_MS);
    return error;
}

static int still_or_end(const struct exclusive *exclusive)
{
    if (exclusive->is_still)
        return 0;
    exclusive_end(exclusive);
    return errno = EBUSY;
}

int exclusive_begin_still(struct exclusive *exclusive)
{
    int error = exclusive_begin(exclusive);
    return error != 0 ? error : still_or_end(exclusive);
}

int exclusive_try_begin(struct exclusive *exclusive)
{
    *exclusive = (struct exclusive){.is_still = false};
    if (owner_self == NULL)
        return errno = EBUSY;
    exclusive->collects = !collector_is_mine();
    if (exclusive->collects && !collector_try_begin())
        return errno = EBUSY;
    stop_and_lock(exclusive, STOP_MS_TRY);
    return still_or_end(exclusive);
}

void exclusive_end(const struct exclusive *exclusive)
{
    if (exclusive->locks)
        gc_table_lock_release();
    if (exclusive->stops)
        safepoint_resume_world();
    if (exclusive->collects)
        collector_end();
}

int exclusive_fail(int error)
{
    errno = error;
    return -1;
}
