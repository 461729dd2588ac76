/* mark.h: following references from the roots: what they lead to is white no longer.
 *
 * Objects wait on a stack. Those of one side are looked at one after the other, so that a chain or
 * a tree is followed where it lies. Where references lead far, nothing is waited for: a target's
 * bits are fetched while the next targets are found, and it while those before it are looked at. */
#ifndef OBJECT_MARK_H
#define OBJECT_MARK_H

/* For each deduction (numbering.h). */
void mark_begin(void);

/* A white object that is white no longer is to be looked at. */
void mark_add(void *object);

/* Looks at all that waits, and at what it leads to. */
void mark_all(void);

#endif
