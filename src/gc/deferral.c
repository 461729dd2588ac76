/* deferral.c: what is due, and the public switch. */
#include "deferral.h"

#include "object/owner.h"

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
        owner_call_all();
}

void molt_gc_set_deferred(bool deferred)
{
    atomic_store(&object_is_deferred, deferred);
    owner_call_all();
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
