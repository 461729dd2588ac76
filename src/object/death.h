/* death.h: the end of an object, and of what it alone refers to.
 *
 *   count_drop() was true
 *        |
 *     retire     its finalizer, once, which may keep it alive; then its weak references
 *        |
 *     release    its references, in the order of the slots; what dies with one of them comes
 *        |       next, with all its own, and then the rest: depth first
 *        |
 *     finish     dispose; the block is freed
 *
 * There is no recursion. An object that waits in the middle of its slots lies on the thread's stack
 * of dying objects (dying.h), linked through its header; which slot is next stands in its first
 * slot, which is done with. With its last reference an object is finished before what dies of it,
 * so a list of any length needs no stack at all. Most that dies goes a shorter way with the same
 * result, where one loop sees to a whole list or tree (cascade.h).
 *
 * Only finalizers, weak references' callbacks and dispose run code of the program. What they
 * release dies before release returns, up to a depth of DEATH_NESTING; deeper, and in clear and
 * dispose callbacks, it is put on the stack for later. */
#ifndef OBJECT_DEATH_H
#define OBJECT_DEATH_H

#define DEATH_NESTING 16

/* Brings an object to its end whose last reference has been dropped. */
void death_of(void *object);

/* Between the two whatever dies is only noted; death_end_defer brings it to its end. May be nested.
 */
void death_begin_defer(void);
void death_defer(void *object);
void death_end_defer(void);

/* The thread ends in a callback: what it has put off, or was in the middle of, is brought to its
 * end. */
void death_end_all(void);

/* Frees garbage whose references have been dropped: dispose, and the block. For collect.h. */
void death_finish(void *object);

#endif
