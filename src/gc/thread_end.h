/* thread_end.h: what the end of a thread means for the objects that it owns. */
#ifndef GC_THREAD_END_H
#define GC_THREAD_END_H

#include <stdbool.h>

struct heap;

/* Detaches the owner of the ending thread's heap. True: the thread's other destructors come first,
 * which may use objects; call this again after them. The thread may have ended in a blocking region
 * or in a callback of a collection, which is broken off then. For object/hooks.h. */
bool thread_end_detach(struct heap *heap);

#endif
