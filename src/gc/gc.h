/* gc.h: collections that come by themselves. */
#ifndef GC_GC_H
#define GC_GC_H

#include "object/owner.h"

#include <stdbool.h>

/* The owner is about to make an object: collects if that is due, or takes down that it is. */
void gc_new_object(struct owner *owner, bool is_tracked);

/* The program ends: finalizes cyclic garbage. */
void gc_collect_at_exit(void);

#endif
