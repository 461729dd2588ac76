/* peak.h: giving back free memory before the process grows beyond its peak.
 *
 * While the process is no larger than it has been before, the free memory that it keeps costs
 * nothing more: its peak stays what it was. Memory beyond the peak raises it. So when the resident
 * memory has grown beyond the peak by a 16th of that (PEAK_PARTS), the heap gives back its empty
 * pools, other heaps those that wait for a sleeping owner, and then as many idle pages and kept
 * spans go as the growth asks for. The peak is raised all the same, by a 16th at least: so this
 * happens a few times only, however often the memory grows and shrinks in between. */
#ifndef ALLOC_PEAK_H
#define ALLOC_PEAK_H

struct heap;

/* Called after memory was taken from the arenas or the OS, with no lock held. `heap` is the
 * caller's, which has entered it, or NULL. */
void peak_check(struct heap *heap);

#endif
