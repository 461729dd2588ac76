/* slice.h: full collections in slices (MOLT=gc=incremental), one after each younger collection that
 * is due: here are the limits of a slice and what is noted of it; incremental.h has its work. By
 * the collector. */
#ifndef GC_SLICE_H
#define GC_SLICE_H

/* Does the next slice of the cycle, or the first of a new one. Returns the number of unreachable
 * objects that it has freed, or -1 and errno. */
long slice_run(void);

/* Gives up the cycle, since a full collection is about to do its work. */
void slice_abandon_cycle(void);

#endif
