/* garbage.h: garbage that is kept for the program to look at (MOLT_GC_SAVEALL): molt_gc_garbage. */
#ifndef GC_GARBAGE_H
#define GC_GARBAGE_H

#include <stdbool.h>

/* The object joins the list, which holds a reference to it. False: no memory. By the thread that
 * collects, while the world stands still. */
bool garbage_keep(void *object);

#endif
