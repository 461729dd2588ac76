/* garbage.h: garbage that is kept for the program instead of freed (MOLT_GC_SAVEALL), until
 * molt_gc_clear_garbage; molt_gc_garbage. */
#ifndef GC_GARBAGE_H
#define GC_GARBAGE_H

#include <stdbool.h>

/* Keeps the object by a reference. False: no memory. By the collector, in a stopped world. */
bool garbage_keep(void *object);

#endif
