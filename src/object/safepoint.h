/* safepoint.h: where threads that use objects stand still, and how one thread makes all others do
 * so.
 *
 * A thread comes to a safepoint when it next makes an object or asks for it (molt_gc_safepoint).
 * Who stops the world calls all owners (owner_call), then waits until none is RUNNING. */
#ifndef OBJECT_SAFEPOINT_H
#define OBJECT_SAFEPOINT_H

#include "owner.h"

#include <stdbool.h>

/* ---- By the thread of the owner ---- */

/* The calling thread's owner stands still if another thread has stopped the world, until that lets
 * it go on. Who lets objects die at that place settles its queue, too (count.h). */
void safepoint_poll(struct owner *owner);

/* The owner counts as standing still for a moment in any case: for a thread that waits. */
void safepoint_rest(struct owner *owner);

/* The calling thread's owner is at a safepoint, or comes from where it stood still. True: it was
 * waited for in vain. */
bool safepoint_arrive(struct owner *owner);

/* An owner begins to run (under its lock, which is given up while the world stands still), or is
 * detached. */
void safepoint_enter(struct owner *owner);
void safepoint_leave(struct owner *owner);

/* The owner's thread uses no objects from now on, and counts as standing still; or it does again,
 * as soon as the world goes on. */
void safepoint_block(struct owner *owner);
void safepoint_unblock(struct owner *owner);

/* ---- By the thread that stops the world ---- */

/* Stops the world. False: some owners did not stand still within `ms` milliseconds; they are
 * RUNNING until safepoint_resume_world, which the caller owes in any case. One thread at a time. */
bool safepoint_stop_world(unsigned ms);
void safepoint_resume_world(void);
bool safepoint_world_is_mine(void); /* the calling thread has stopped it */

/* While a forked child is repaired, after all that a thread which stopped the world may have left
 * half done: the world goes on. */
void safepoint_repair(void);

#endif
