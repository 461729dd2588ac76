/* slice.h: a full collection in slices (MOLT=gc=incremental): one slice after each collection that
 * is due. What a slice does stands in incremental.h. */
#ifndef GC_SLICE_H
#define GC_SLICE_H

/* The next slice of the present cycle, or the first of a new one: the unreachable objects that were
 * freed, or -1 and errno. By who collects. */
long slice_run(void);

/* The present cycle is given up: a whole collection does its work. By who collects. */
void slice_abandon_cycle(void);

#endif
