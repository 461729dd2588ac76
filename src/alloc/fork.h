/* fork.h: a child that starts in the middle of its parent's other threads.
 *
 * No lock is held across fork: the C library takes its own locks around the handlers, in an order
 * that would deadlock. Instead the child repairs what the threads it does not have left behind.
 * What it sees is as if each of them had been stopped at some instruction, so:
 *   - locks of others are freed; what one of them was changing is derived again from what is true
 * at every instruction: the page bits, the table of huge blocks;
 *   - heaps of others are parked for adoption; a heap whose owner was inside a slow path is dead:
 *     its blocks stay readable, and frees of them are ignored;
 *   - blocks that one of them was just handing to another heap are lost.
 *
 * A page that the kernel wipes in the child tells that a fork has happened, even one by clone() or
 * from a signal handler inside malloc; each slow path asks. A vfork child shares memory and sees
 * no wipe, as it must. */
#ifndef ALLOC_FORK_H
#define ALLOC_FORK_H

#include "base/attributes.h"

#include <stdint.h>

extern HIDDEN volatile uint32_t *fork_page; /* 1; 0 in a child that has not been repaired */

void fork_init(void);
void fork_repair(void);

/* For pthread_atfork: repairs at once, before the child can start threads; and the only notice of a
 * fork where there is no such page. */
void fork_in_child(void);

static inline void fork_check(void)
{
    if (UNLIKELY(*fork_page == 0))
        fork_repair();
}

#endif
