/* proof.h: whether a block that looks free is free.
 *
 * A free block bears the mark in its first word (block.h). A live one may bear it, too: links of
 * smaller blocks that its memory was once carved for are still there behind the first word, and a
 * program may copy bytes that it has not written to the front, as every move of a struct with
 * padding does. So the mark is only a reason to ask, and nothing in a block's own bytes is an
 * answer. A block is free if it is found
 *
 *   in the list of its pool,
 *   in the chain of blocks that other threads have left in the pool's `remote`,
 *   in a chain that waits in a heap's outbox, or
 *   in the list of a heap that has it from the starter (starter.h);
 *
 * a live block is in none of them, whatever its bytes are. The pool's list is changed by its
 * owner's thread at any time and without a lock, and that may be another thread than the one that
 * asks. A walk through the list
 * proves nothing if it went through a block that has just been given out, since the program writes
 * that block's bytes. Whether a block was given out meanwhile is told afterwards:
 *
 *   - A heap gives blocks out on its fast paths, and at the end of a slow one. Beginnings and ends
 *     of slow paths are counted (heap->slow_paths). If the count is the same odd number before and
 *     after, the heap was inside one all the time: it may have moved blocks from list to list, but
 *     has given none out.
 *   - If it is the same even number, there was no slow path. Fast paths pop from an ACTIVE pool's
 *     list and from no other; chains, and the lists of other pools, only gain blocks at their
 *     heads. Each push counts `left` down. So if `left` and the head are as before, nothing was
 *     pushed, hence nothing popped: with no push in between, a pop would have changed the head.
 *     Nothing is ever pushed to a list of the starter's blocks, so its head alone tells.
 *
 * (This is the reader's half of Lameter's sequence locks, with counters that the owner keeps
 * anyway.) */
#ifndef ALLOC_PROOF_H
#define ALLOC_PROOF_H

#include "pool.h"

#include <stdbool.h>

/* Whether p, the start of a carved block of the pool, is proved to be free. False for every live
 * block; also for a free one, where its owner works on the same list all the time, or where the
 * caller is a signal handler that has interrupted a slow path. Any thread may ask; acquires
 * arena_lock. */
bool proof_is_free(const struct pool *pool, const void *p);

#endif
