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

static bool ends_at_once(struct heap *heap)
{
    (void)heap;
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
    .thread_ends = ends_at_once,
    .gc_table_gone = no_table_gone,
    .append_referrers = append_nothing,
};
