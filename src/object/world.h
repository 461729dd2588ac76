/* world.h: all threads that use objects, and how a collector makes them stand still.
 *
 * A thread comes to a safepoint when it next makes an object or asks for it; the collector calls
 * the owners (owner_call), then waits until none is RUNNING. One that does not come in time makes
 * the stop fail. */
#ifndef OBJECT_WORLD_H
#define OBJECT_WORLD_H

#include "owner.h"

#include <stdbool.h>

/* Only one thread collects at a time: becomes it, or not. */
bool world_try_collect(void);
/* Becomes it once nobody else is, at safepoints meanwhile; *begins: and was it not before. 0, or an
 * error number: EBUSY where the thread must leave objects alone, or ENOMEM. */
int world_begin_collect(bool *begins);
void world_end_collect(void);
bool world_is_mine(void);      /* the calling thread collects */
bool world_is_collected(void); /* some thread does */

/* All other owners stand still; false: some did not within `ms` milliseconds, and all run again.
 * Only while collecting. */
bool world_stop(unsigned ms);
void world_resume(void);
bool world_is_still(void); /* the calling thread has stopped it */

/* The calling thread's owner stands still if someone asks for it. Who lets objects die at that
 * place settles its queue, too (count.h). */
void world_safepoint(struct owner *owner);

/* The same for a moment in any case, and lets others run: for who waits for something. */
void world_rest(struct owner *owner);

/* The calling thread leaves all blocking regions that it is in. */
void world_end_blocking(void);

/* An owner begins to run (under its lock, which is given up while the world stands still), or is
 * detached. */
void world_enter(struct owner *owner);
void world_leave(struct owner *owner);

/* While a forked child is repaired: whether a thread that is gone was collecting; after all else
 * that it may have left half done, the world goes on. */
bool world_was_collected(void);
void world_repair(void);

#endif
