/* repair.h: the allocator in a forked child (base/fork.h).
 *
 *   - What a vanished thread was changing under a lock is derived again from what is true at every
 *     instruction: the page bits, the table of huge blocks.
 *   - The heaps of the threads that are gone are parked. A heap whose thread was inside a slow path
 *     is dead: its blocks stay readable, and frees of them are ignored.
 *   - Blocks that such a thread was just handing over to another heap are lost. */
#ifndef ALLOC_REPAIR_H
#define ALLOC_REPAIR_H

/* From now on slow paths notice that the process is a forked child, and repair it. */
void repair_init(void);

#endif
