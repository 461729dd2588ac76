/* safepoint.h: stopping the world: one thread makes all others that use objects stand still.
 *
 * A running thread comes to a safepoint on the slow path of molt_new, in molt_gc_safepoint, and
 * where it waits to become the collector; one that attaches, or leaves a blocking region, comes
 * from a state that counts as one. The thread
 * that stops the world calls all owners (owner_call), which brings each to that slow path at its
 * next new object, and waits until no owner but its own is RUNNING. Another owner that becomes
 * RUNNING waits in turn until the world is resumed. The stop lock is held all the while. */
#ifndef OBJECT_SAFEPOINT_H
#define OBJECT_SAFEPOINT_H

#include "owner.h"

#include <stdbool.h>

/* ---- Called by the owner's thread ---- */

/* A safepoint: the thread stands still here while another one has stopped the world. A caller at
 * whose place objects may die merges its queued counts, too (count_merge_queue). */
void safepoint_poll(struct owner *owner);

/* A safepoint at which the thread sleeps for a moment: for one that waits for another thread. */
void safepoint_rest(struct owner *owner);

/* Notes that the thread is at a safepoint, or has stood still until now. True: a collection has
 * waited for it in vain. */
bool safepoint_arrive(struct owner *owner);

/* The owner becomes RUNNING when its thread attaches. Under its lock, which is given up while the
 * thread waits for the world to be resumed. */
void safepoint_enter(struct owner *owner);

/* The owner becomes DETACHED. Under its lock. */
static inline void safepoint_leave(struct owner *owner)
{
    owner_set_state(owner, OWNER_DETACHED);
}

/* The owner becomes BLOCKED; or RUNNING again, as soon as the world is not stopped. */
static inline void safepoint_block(struct owner *owner)
{
    safepoint_arrive(owner);
    owner_set_state(owner, OWNER_BLOCKED);
}
void safepoint_unblock(struct owner *owner);

/* ---- Called by the thread that stops the world, one at a time ---- */

/* Stops the world. False: some owner was still RUNNING after `ms` milliseconds. In either case the
 * caller must call safepoint_resume_world. */
bool safepoint_stop_world(unsigned ms);
void safepoint_resume_world(void);

/* Whether the calling thread has stopped the world. */
bool safepoint_world_is_mine(void);

/* While a forked child is repaired: resumes the world if a vanished thread had stopped it. After
 * all repairs of what that thread may have left half done. */
COLD void safepoint_repair(void);

#endif
