/* growth.h: giving back free memory before the process grows beyond its peak.
 *
 * While the process is no larger than it has been before, the free memory that it keeps costs
 * nothing more: its peak stays what it was. Memory beyond the peak raises it. So when the resident
 * memory has grown beyond the peak by a step (a 16th of the peak), as much free memory is given
 * back as there is, up to the step. The peak is raised by the step in any case: so giving back
 * happens once a step, however often the memory grows and shrinks in between. */
#ifndef ALLOC_GROWTH_H
#define ALLOC_GROWTH_H

struct heap;

/* Called after memory was taken from the arenas or the OS, with no lock held. `heap` is the
 * caller's, which has entered it, or NULL. */
void growth_check(struct heap *heap);

#endif
