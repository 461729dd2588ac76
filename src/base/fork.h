/* fork.h: a child that starts in the middle of its parent's other threads.
 *
 * No lock is held across fork: the C library takes its own locks around the handlers, in an order
 * that would deadlock. Instead the child repairs what the threads it does not have left behind.
 * What it sees is as if each of them had been stopped at some instruction. So every structure is
 * kept such that it is usable after any instruction, or can be derived again from what is; each
 * layer has a function that does so.
 *
 * A page that the kernel wipes in the child tells that a fork has happened, even one by _Fork(), by
 * clone() or from a signal handler inside malloc. Each slow path asks (fork_check), and so does
 * who is about to wait for a lock (lock.c); what is told by anything else than a held lock is
 * asked for where it is used. A vfork child shares memory and sees no wipe, as it must. Where the
 * kernel has no such page, before Linux 4.14, pthread_atfork alone tells: of fork(), not of the
 * others. */
#ifndef BASE_FORK_H
#define BASE_FORK_H

#include "attributes.h"

#include <stdint.h>

enum { FORK_REPAIRED = 1, FORK_REPAIRING = 2 };

/* FORK_REPAIRED; 0 in a child that has to be repaired. */
extern HIDDEN volatile uint32_t *fork_page;

/* The page that the kernel wipes; NULL: it has none to offer. Once. */
void fork_begin(uint32_t *page);

/* What each layer has done in a child, the lower ones first. May be told again. Of what it finds
 * half done by itself it must be able to begin anew: a child may fork while it is repaired. */
enum fork_layer { FORK_ALLOC, FORK_OBJECT, FORK_VALUE, FORK_LAYERS };
void fork_set_repair(enum fork_layer layer, void (*repair)(void));

COLD void fork_repair(void);

/* For pthread_atfork: repairs at once, before the child can start threads; and the only notice of a
 * fork where there is no page. */
void fork_in_child(void);

static inline void fork_check(void)
{
    if (UNLIKELY(*fork_page != FORK_REPAIRED))
        fork_repair();
}

/* ---- While a child is repaired ---- */

/* The thread that has forked, by its thread pointer. It may have started others before one of them
 * came to a slow path; all other threads that have left anything are gone. */
extern HIDDEN uintptr_t fork_survivor;

/* Where that thread has a thread-local variable, given where the calling one has it. */
void *fork_survivors(void *variable);

#endif
