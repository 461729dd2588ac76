/* deferral.c: the public names around it. */
#include "deferral.h"

#include "count.h" // count_settle_queue
#include "gc.h"
#include "owner.h"
#include "world.h"

atomic_bool deferral_is_on;
static atomic_bool is_due;

void deferral_note_due(void)
{
    atomic_store(&is_due, true);
}

bool deferral_is_due(void)
{
    return atomic_load_explicit(&is_due, memory_order_relaxed);
}

void deferral_forget(void)
{
    if (deferral_is_due() && atomic_exchange(&is_due, false))
        gc_tell_limit();
}

void molt_gc_set_deferred(bool deferred)
{
    atomic_store(&deferral_is_on, deferred);
    gc_tell_limit();
}

bool molt_gc_is_deferred(void)
{
    return deferral_on();
}

bool molt_gc_is_due(void)
{
    const struct owner *owner = owner_self;
    return deferral_is_due() || (owner != NULL && atomic_load(&owner->queue) != NULL);
}

long molt_gc_run_deferred(void)
{
    if (world_is_mine() || owner_must_not_count())
        return 0;
    if (owner_self != NULL)
        count_settle_queue(owner_self);
    return deferral_is_due() ? gc_collect_due() : 0;
}
