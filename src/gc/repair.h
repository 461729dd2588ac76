/* repair.h: objects in a forked child, whose other threads are gone. */
#ifndef GC_REPAIR_H
#define GC_REPAIR_H

/* Lets go of what threads that are gone held, and makes whole what they left half done. By the one
 * thread that repairs the child (base/fork.h). */
void repair_objects(void);

#endif
