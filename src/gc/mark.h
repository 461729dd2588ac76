/* mark.h: following references from the roots: what they lead to is white no longer.
 *
 *   object --reference--> reached: its bits are fetched --white--> stack --> fetched --> looked at
 *
 * That is the way of a target far away: it waits in two rings, for its bits and for itself to come
 * into the cache, and between them on the stack, as long as need be. One in the same table as the
 * object is white no longer at once and, as a rule, looked at next: so a chain or a tree is
 * followed where it lies. */
#ifndef GC_MARK_H
#define GC_MARK_H

/* For each deduction (numbering.h). */
void mark_begin(void);

/* A white object that is white no longer is to be looked at. */
void mark_add(void *object);

/* Looks at all that waits, and at what it leads to. */
void mark_all(void);

#endif
