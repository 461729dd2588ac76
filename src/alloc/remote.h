/* remote.h: blocks that are freed by a thread which does not own their pool.
 *
 *   freeing thread                              owner
 *   outbox slot: a chain of blocks   --CAS-->   pool->remote   (address | count << 48)
 *   if that was empty before:        --CAS-->   heap->pending  (stack of pools)
 *
 * The sender gathers up to OUTBOX_BLOCKS blocks of a pool and hands them over with one CAS, on a
 * line that the owner's own malloc and free do not touch. The owner empties `pending` on its slow
 * path, and takes a pool's chain only then: so a pool is in the stack at most once, and a pool
 * with blocks on their way is never taken for empty. */
#ifndef ALLOC_REMOTE_H
#define ALLOC_REMOTE_H

#include <stdbool.h>

struct block;
struct heap;
struct pool;

/* Puts a block of another heap's pool into the outbox of `heap`. */
void remote_free(struct heap *heap, struct pool *pool, struct block *block);

/* Hands one block over at once: for threads without a heap and for signal handlers. Takes no
 * lock. */
void remote_free_now(struct pool *pool, struct block *block);

/* Hands over everything in the outbox. */
void remote_flush(struct heap *heap);

/* Whether others have left blocks in this heap's pools. */
bool remote_waits(const struct heap *heap);

/* Takes back what others have freed of this heap's pools. */
void remote_collect(struct heap *heap);

#endif
