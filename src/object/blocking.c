/* blocking.c: the public functions for blocking regions and safepoints. */
#include "blocking.h"

#include "count.h" // count_merge_queue
#include "hooks.h"
#include "safepoint.h"

void molt_gc_safepoint(void)
{
    struct owner *owner = owner_self;
    if (owner == NULL || safepoint_world_is_mine())
        return;
    if (UNLIKELY(safepoint_arrive(owner)))
        object_hooks.keep_late_thread(owner);
    safepoint_poll(owner);
    count_merge_queue(owner);
}

void molt_gc_blocking_begin(void)
{
    if (owner_suspension.blocks == 0 && owner_self != NULL) {
        count_merge_queue(owner_self);
        owner_suspend(&owner_suspension.blocks);
        safepoint_block(owner_suspension.owner);
        return;
    }
    owner_suspend(&owner_suspension.blocks);
}

void molt_gc_blocking_end(void)
{
    if (owner_suspension.blocks == 0)
        return;
    if (owner_suspension.blocks == 1 && owner_suspension.owner != NULL)
        safepoint_unblock(owner_suspension.owner);
    owner_resume(&owner_suspension.blocks);
    if (owner_self != NULL)
        count_merge_queue(owner_self);
}

void blocking_end_all(void)
{
    if (owner_suspension.blocks == 0)
        return;
    owner_suspension.blocks = 1;
    molt_gc_blocking_end();
}
