/* thread_end.h: what the end of a thread means for the objects that it owns. */
#ifndef GC_THREAD_END_H
#define GC_THREAD_END_H

#include <stdbool.h>

struct heap;

/* Detaches the owner of the ending thread's heap, after the thread's other destructors have had
 * their turn: true to be asked again after them. The thread may be anywhere: in a blocking region,
 * or in a callback of a collection, which is broken off. For object/hooks.h. */
bool thread_end_detach(struct heap *heap);

#endif
