/* deferral.h: collections that the program has deferred (molt_gc_set_deferred): one that becomes
 * due inside molt_new is only noted, and done when the program asks (molt_gc_run_deferred). So are
 * merges of counts that other threads have brought below 0, of which objects may die. */
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

/* Notes that a collection is due. Until it is forgotten, no new object asks whether one is
 * (pacing_limit). */
void deferral_note_due(void);
bool deferral_is_due(void);

/* A collection is done. */
void deferral_forget(void);

#endif
