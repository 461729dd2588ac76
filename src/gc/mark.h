/* mark.h: marking: follows references from the roots, and clears the white bit of every candidate
 * that it reaches (marks.white, numbering.h).
 *
 *   far target --> ring: marks prefetched --if white--> mark stack --> ring: fields prefetched
 *                                                                      --> traversed
 *
 * A target is far if it lies in another pool than the object that refers to it: it would be waited
 * for at its marks and at its fields, so both are prefetched. A near target is marked at once and
 * mostly traversed next, so a chain or a tree is followed in the order of its memory. */
#ifndef GC_MARK_H
#define GC_MARK_H

/* The mark stack is empty. For each deduction, after numbering_begin. */
void mark_begin(void);

/* Pushes an object, whose white bit has just been cleared, onto the mark stack. */
void mark_push(void *object);

/* Traverses the objects on the mark stack, and all that they reach. */
void mark_all(void);

#endif
