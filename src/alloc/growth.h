/* growth.h: when memory grows beyond all it ever was.
 *
 * Up to its former peak a process pays nothing for the free memory that it keeps: it had that
 * before. Beyond the peak it pays; so the growth is made good with free memory, as far as there is
 * any. The peak counts as raised by a step then, a part of it, even if it was all made good: such
 * moments are few, however much memory grows and however it sways. */
#ifndef ALLOC_GROWTH_H
#define ALLOC_GROWTH_H

struct heap;

/* To be called after memory was taken from the arenas or the OS, with no lock held; `heap` is the
 * caller's, entered, or NULL. */
void growth_check(struct heap *heap);

#endif
