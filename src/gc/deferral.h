/* deferral.h: collections that do not come by themselves inside molt_new, but wait until the
 * program asks for what is due. So does the settling of counts that other threads have brought
 * below 0, since objects may die of it. */
#ifndef GC_DEFERRAL_H
#define GC_DEFERRAL_H

#include "base/attributes.h"
#include "object/object.h" // object_is_deferred

#include <stdatomic.h>
#include <stdbool.h>

static inline bool deferral_on(void)
{
    return UNLIKELY(atomic_load_explicit(&object_is_deferred, memory_order_relaxed));
}

/* A collection is due, and waits to be asked for: until it is, or another has been done, no new
 * object asks whether one is. */
void deferral_note_due(void);
bool deferral_is_due(void);
void deferral_forget(void);

#endif
