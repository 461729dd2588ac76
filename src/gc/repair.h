/* repair.h: objects in a forked child, whose other threads are gone (base/fork.h). */
#ifndef GC_REPAIR_H
#define GC_REPAIR_H

/* Frees the locks of threads that are gone, and makes whole what they were in the middle of. By the
 * one thread that repairs the child, which may be forked itself meanwhile: then its child begins
 * anew. */
void repair_objects(void);

#endif
