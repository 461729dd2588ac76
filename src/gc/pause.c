/* pause.c: beginning and ending pauses. */
#include "pause.h"

#include "collector.h"

#include "object/owner.h"
#include "object/safepoint.h"
#include "object/gc_table.h"

#include <errno.h>

/* How long the other threads may take to come to a safepoint. */
#define STOP_MS 1000
#define STOP_MS_TRY 100

/* By the collector. */
static void pause_stop_and_lock(struct pause *pause, unsigned stop_ms)
{
    pause->locks = !gc_table_lock_is_mine();
    pause->stops = pause->locks && !safepoint_world_is_mine() && collector_stop_world(stop_ms);
    pause->is_still = safepoint_world_is_mine();
    if (pause->locks)
        gc_table_lock_acquire();
}

int pause_begin(struct pause *pause)
{
    *pause = (struct pause){.is_still = false};
    int error = collector_begin(&pause->collects);
    if (error == 0)
        pause_stop_and_lock(pause, STOP_MS);
    return error;
}

static int still_or_end(const struct pause *pause)
{
    if (pause->is_still)
        return 0;
    pause_end(pause);
    return errno = EBUSY;
}

int pause_begin_still(struct pause *pause)
{
    int error = pause_begin(pause);
    return error != 0 ? error : still_or_end(pause);
}

int pause_try_begin(struct pause *pause)
{
    *pause = (struct pause){.is_still = false};
    if (owner_self == NULL)
        return errno = EBUSY;
    pause->collects = !collector_is_mine();
    if (pause->collects && !collector_try_begin())
        return errno = EBUSY;
    pause_stop_and_lock(pause, STOP_MS_TRY);
    return still_or_end(pause);
}

void pause_end(const struct pause *pause)
{
    if (pause->locks)
        gc_table_lock_release();
    if (pause->stops)
        safepoint_resume_world();
    if (pause->collects)
        collector_end();
}

int pause_fail(int error)
{
    errno = error;
    return -1;
}
