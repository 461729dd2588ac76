/* repair.h: the allocator in a forked child (base/fork.h).
 *
 *   - What a thread that is gone was changing under a lock is derived again from what is true at
 *     every instruction: the page bits, the table of huge blocks.
 *   - Heaps of others are parked for adoption; a heap whose owner was inside a slow path is dead:
 *     its blocks stay readable, and frees of them are ignored.
 *   - Blocks that one of them was just handing to another heap are lost. */
#ifndef ALLOC_REPAIR_H
#define ALLOC_REPAIR_H

/* From now on forked children are noticed and repaired. */
void repair_init(void);

#endif
