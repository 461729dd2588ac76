/* blocking.h: blocking regions, in which a thread uses no objects and counts as standing still, and
 * safepoints that the program asks for: molt_gc_blocking_begin, molt_gc_blocking_end,
 * molt_gc_safepoint. */
#ifndef OBJECT_BLOCKING_H
#define OBJECT_BLOCKING_H

/* The calling thread leaves all blocking regions that it is in. */
void blocking_end_all(void);

#endif
