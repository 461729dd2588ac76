/* proof.h: whether a block that looks free is free.
 *
 * A free block bears the mark in its first word (block.h). A live one may bear it, too: what its
 * memory held before is still there behind the first word, links of smaller blocks among it, and a
 * program may copy bytes that it has not written yet to the front, as every move of a struct with
 * padding does. So the mark is no more than a reason to ask, and nothing in a block's own bytes is
 * an answer. A block is free if it is found
 *
 *   in the list of its pool,
 *   in the chain of blocks that other threads have left in the pool's `remote`, or
 *   in a chain that waits in a heap's outbox;
 *
 * a live block is in none of them, whatever its bytes are. Only the owner changes the first, which
 * may be another thread, at any time and without a lock. A walk through it would prove nothing if
 * it came through a block that has just left the list: its bytes are the program's. So what was
 * walked through must not have lost a block meanwhile. That can be told afterwards:
 *
 *   - Lists change hands, and chains are taken, in slow paths alone. Those are counted
 *     (heap->slow_paths): the same even count before and after, and there was none.
 *   - Between two of them the fast paths pop from the list of an ACTIVE pool and from no other, and
 *     all else only gains blocks at its head. Each push counts `left` down. So where `left` and the
 *     head are as before, nothing was pushed, hence nothing popped.
 *
 * (A reader's half of Lameter's sequence locks, with the counters that the writer keeps anyway.) */
#ifndef ALLOC_PROOF_H
#define ALLOC_PROOF_H

#include "pool.h"

#include <stdbool.h>

/* Whether p, the start of a carved block of the pool, is proved to be free. False for every live
 * block; also for a free one where its owner works on the same list all the time, or where the
 * caller is a signal handler that has interrupted a slow path. Any thread may ask; takes
 * arena_lock. */
bool proof_is_free(const struct pool *pool, const void *p);

#endif
