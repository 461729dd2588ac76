/* remote.h: blocks that are freed by a thread which does not own their pool.
 *
 *   freeing thread                              owner
 *   outbox slot: a chain of blocks   --CAS-->   pool->remote   (address | count << 48)
 *   if that was empty before:        --CAS-->   heap->pending  (stack of pools)
 *
 * The sender gathers up to OUTBOX_BLOCKS blocks of a pool and hands them over with one CAS, on a
 * line that the owner's own malloc and free do not touch. The owner empties `pending` on its slow
 * path, and takes a pool's chain only then: so a pool is in the stack at most once, and a pool
 * with blocks on their way is never taken for empty. If the pool has changed hands since the sender
 * looked, it lands in the former owner's stack, and that one passes it on.
 *
 * An owner that sleeps takes nothing back. Where memory has to be had, that of a FULL pool whose
 * blocks all wait goes back to the OS all the same: the pool is emptied. In `remote` a mark stands
 * for the chain then, and its owner, when it comes, releases the pool. */
#ifndef ALLOC_REMOTE_H
#define ALLOC_REMOTE_H

#include "heap.h"

#include "base/attributes.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Memory of pools that were emptied so, which still counts as used. */
extern HIDDEN _Atomic size_t remote_emptied_bytes;

/* The number of the only slot that may hold a chain of the pool around p. */
static inline unsigned outbox_number(const void *p)
{
    return ((uintptr_t)p >> POOL_SHIFT) % OUTBOX_SLOTS;
}

/* Whether p may join the slot's chain. pool.h's comparison serves here for any address below 2^47,
 * also one below the pool: an offset of -d then, whose product is
 * -(d / size * step) - (d % size) * magic mod 2^64; that is at least 2^64 - 2^48 if d is a multiple
 * of the size, and else at least magic - step - 2^47: above every limit. */
static ALWAYS_INLINE bool outbox_accepts(const struct outbox_slot *slot, const void *p)
{
    return ((uintptr_t)p - slot->start) * slot->magic < slot->limit && LIKELY(!block_is_marked(p));
}

/* A full chain takes no more. */
static ALWAYS_INLINE void outbox_push(struct outbox_slot *slot, struct block *block)
{
    block_list_push(&slot->chain, block);
    if (UNLIKELY(--slot->room == 0))
        slot->limit = 0;
}

/* Puts a block of another heap's pool into the outbox of `heap`. One of the starter's goes home at
 * once: there are few of them, and the outbox is a page more. */
void remote_free(struct heap *heap, struct pool *pool, struct block *block);

/* Hands one block over at once: for threads without a heap and for signal handlers. Takes no
 * lock. */
void remote_free_now(struct pool *pool, struct block *block);

/* Hands over everything in the outbox. */
void remote_flush(struct heap *heap);

/* Whether others have left blocks in this heap's pools. */
bool remote_waits(const struct heap *heap);

/* Returns the memory of FULL pools whose blocks all wait for their owners, until it is `bytes` or
 * another thread is at the arenas: how much it was. */
size_t remote_purge_waiting(size_t bytes);

/* The same of some arenas after the other, up to about `quota` pages, and only for owners that have
 * not looked at the clock since `before_ms`. Whether it came to the end; the next call goes on. */
bool remote_purge_sleepers(uint64_t before_ms, size_t *quota);

/* The first block of the chain that others have left in the pool; NULL if there is none. */
const struct block *remote_first(const struct pool *pool);

/* Whether the pool was emptied: none of its blocks is live. */
bool remote_is_emptied(const struct pool *pool);

/* Takes back what others have freed of this heap's pools. */
void remote_collect(struct heap *heap);

#endif
