/* death.h: the end of an object, and of the objects to which it had the last reference.
 *
 *   count_drop() was true
 *        |
 *     retire     the finalizer, once, which may revive the object; then weak references give NULL
 *        |
 *     release    the references, in the order of the slots, depth first: an object that dies with
 *        |       one of them is released before the next slot is
 *        |
 *     finish     dispose; the block is freed
 *
 * There is no recursion. An object in the middle of its slots waits on the thread's stack of dying
 * objects (dying.h); its first slot, which is done with, holds the number of the next one. An
 * object whose last slot is done with is finished before the object that dies of that slot, so a
 * list of any length needs no stack. Plain objects go a shorter way with the same result: one loop
 * releases a whole list or tree of them (cascade.h).
 *
 * Code of the program runs in finalizers, callbacks of weak references, clear and dispose. What a
 * finalizer or a weak reference's callback releases dies before release returns, down to a depth of
 * DEATH_NESTING; deeper, and in clear and dispose, death is deferred. */
#ifndef OBJECT_DEATH_H
#define OBJECT_DEATH_H

#define DEATH_NESTING 16

/* Brings an object whose last reference has been dropped to its end, or defers that. */
void death_of(void *object);

/* Between death_begin_defer and death_end_defer the calling thread defers all deaths; the latter
 * brings the deferred objects to their end. The two may be nested. */
void death_begin_defer(void);
void death_end_defer(void);

/* Defers the death of an object whose last reference has been dropped. */
void death_defer(void *object);

/* For a thread that ends in a callback: brings all that has begun to die, or is deferred, to its
 * end. */
void death_end_all(void);

/* Finishes an object that a collection has condemned and whose references it has dropped. */
void death_finish(void *object);

#endif
