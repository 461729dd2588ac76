/* gc.h: collections that come by themselves: in molt_new, and when the program ends. */
#ifndef GC_GC_H
#define GC_GC_H

#include "object/owner.h"

#include <stdbool.h>

/* The owner's thread is about to make an object: collects if that is due, or notes that it is. */
void gc_new_object(struct owner *owner, bool is_tracked);

/* Collects all generations, so that cyclic garbage is finalized. When the program ends. */
void gc_collect_at_exit(void);

#endif
