/* fork.h: a child that starts in the middle of its parent's other threads.
 *
 * No lock is held across fork: the C library takes its own locks around the handlers of
 * pthread_atfork, in an order that would deadlock with ours. Instead the child repairs what the
 * threads that it lacks have left behind. To the child each of them looks as if it had been stopped
 * at some instruction. So every structure is kept such that after any instruction it is usable, or
 * can be derived again from data that is; each layer has a function that does so.
 *
 * The child notices the fork by a page that the kernel wipes in it, even if it was made by _Fork(),
 * by clone() or from a signal handler inside malloc. Each slow path looks at the page (fork_check),
 * and so does each thread that is about to wait for a lock (lock.c). Code that learns of other
 * threads by anything else than a held lock (who collects, which owners run) looks itself. A child
 * of vfork shares its parent's memory and sees no wipe, as it must. Where the kernel has no such
 * page, before Linux 4.14, pthread_atfork alone tells of a fork: of fork(), not of the other ways.
 */
#ifndef BASE_FORK_H
#define BASE_FORK_H

#include "attributes.h"

#include <stdbool.h>
#include <stdint.h>

enum { FORK_REPAIRED = 1, FORK_REPAIRING = 2 };

/* What the page says: FORK_REPAIRED, or FORK_REPAIRING while a thread repairs; 0 in a child that
 * has to be repaired. */
extern HIDDEN volatile uint32_t *fork_page;

/* Tells the page that the kernel wipes; NULL if it has none to offer. Called once. */
void fork_begin(uint32_t *page);

/* Whether every fork is noticed, be it by _Fork() or clone(). */
bool fork_is_noticed(void);

/* Sets what a layer has done in a child; the lower layers come first. May be set again. A child may
 * itself fork while it is repaired, so `repair` must be able to begin anew from what it has left
 * half done. */
enum fork_layer { FORK_ALLOC, FORK_PROFILE, FORK_OBJECT, FORK_VALUE, FORK_LAYERS };
void fork_set_repair(enum fork_layer layer, void (*repair)(void));

/* Has all layers repair, in one thread; returns when that is done, whichever thread does it. */
COLD void fork_repair(void);

/* The handler for pthread_atfork: repairs at once, before the child can start threads. Where there
 * is no page it is the only notice of a fork. */
void fork_in_child(void);

/* Repairs if this is a child that has to be repaired. */
static inline void fork_check(void)
{
    if (UNLIKELY(*fork_page != FORK_REPAIRED))
        fork_repair();
}

/* ---- While a child is repaired ---- */

/* The thread that has forked, by its thread pointer. It need not be the one that repairs: it may
 * have started others before one of them came to a slow path. All other threads that have left
 * anything behind are gone. */
extern HIDDEN uintptr_t fork_survivor;

/* Returns where the thread that has forked keeps a thread-local variable, given where the calling
 * thread keeps its own. */
void *fork_survivors(void *variable);

#endif
