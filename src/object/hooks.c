/* hooks.c: what the hooks do until they are filled in. */
#include "hooks.h"

static void no_first_owner(void)
{
}

static void nothing_new(struct owner *owner, bool is_tracked)
{
    (void)owner, (void)is_tracked;
}

static int32_t no_limit(void)
{
    return INT32_MAX;
}

static void nothing_for(struct owner *owner)
{
    (void)owner;
}

/* What other threads bring this owner to merge from now on, they merge themselves. */
static bool detach_at_once(struct heap *heap)
{
    struct owner *owner = heap->objects.owner;
    if (owner != NULL && owner == owner_self) {
        owner_self = NULL;
        molt_self = SELF_NONE;
        atomic_store(&owner->state, OWNER_DETACHED);
    }
    return false;
}

static void no_table_gone(struct gc_table *table)
{
    (void)table;
}

static void append_nothing(struct report_line *line, const void *p)
{
    (void)line, (void)p;
}

struct object_hooks object_hooks = {
    .first_owner = no_first_owner,
    .new_object = nothing_new,
    .limit = no_limit,
    .late_thread = nothing_for,
    .keep_late_thread = nothing_for,
    .thread_ends = detach_at_once,
    .gc_table_gone = no_table_gone,
    .append_referrers = append_nothing,
};
