/* deferral.h: collections that do not come by themselves inside molt_new, but wait until the
 * program asks for what is due. So does the settling of counts that other threads have brought
 * below 0, since objects may die of it. */
#ifndef OBJECT_DEFERRAL_H
#define OBJECT_DEFERRAL_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/attributes.h"

extern HIDDEN atomic_bool deferral_is_on;

static inline bool deferral_on(void)
{
    return UNLIKELY(atomic_load_explicit(&deferral_is_on, memory_order_relaxed));
}

/* A collection is due, and waits to be asked for: until it is, or another has been done, no new
 * object asks whether one is. */
void deferral_note_due(void);
bool deferral_is_due(void);
void deferral_forget(void);

#endif
