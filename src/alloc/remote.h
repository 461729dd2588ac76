/* remote.h: blocks that are freed by another thread than the one that owns their pool.
 *
 *   freeing thread                              owner
 *   outbox slot: a chain of blocks   --CAS-->   pool->remote   (address | count << 48)
 *   if that was empty before:        --CAS-->   heap->pending  (stack of pools)
 *
 * The freeing thread gathers up to OUTBOX_BLOCKS blocks of a pool and hands them over with one CAS,
 * on a cache line that the owner's malloc and free do not touch. The owner empties `pending` on its
 * slow path, and takes a pool's chain only then: so a pool is in the stack at most once, and a pool
 * with a chain is never taken for empty. If the pool changes hands just before it is pushed, it is
 * pushed to the former owner's stack, and that heap passes it on.
 *
 * An owner that sleeps takes nothing back. Where memory is needed, the memory of a FULL pool whose
 * blocks are all in its chain goes back to the OS all the same: the pool is emptied. A mark stands
 * in `remote` in place of the chain then, and the owner releases the pool when it next collects. */
#ifndef ALLOC_REMOTE_H
#define ALLOC_REMOTE_H

#include "heap.h"

#include "base/attributes.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The number of the outbox slot that serves the pool around p: no other holds its blocks. */
static inline unsigned outbox_number(const void *p)
{
    return ((uintptr_t)p >> POOL_SHIFT) % OUTBOX_SLOTS;
}

/* Whether the slot's chain accepts p. pool.h's comparison holds here for every address below 2^47.
 * One below the pool has an offset of -d, whose product is
 * -(d / size * step) - (d % size) * magic mod 2^64; that is at least 2^64 - 2^48 if d is a multiple
 * of the size, and else at least magic - step - 2^47: above every limit. */
static ALWAYS_INLINE bool outbox_accepts(const struct outbox_slot *slot, const void *p)
{
    return ((uintptr_t)p - slot->start) * slot->magic < slot->limit && LIKELY(!block_is_marked(p));
}

/* Adds a block that the chain accepts; a full chain accepts no more. */
static ALWAYS_INLINE void outbox_push(struct outbox_slot *slot, struct block *block)
{
    block_list_push(&slot->chain, block);
    if (UNLIKELY(--slot->room == 0))
        slot->limit = 0;
}

/* Frees a block of another heap's pool through the outbox of `heap`. A block of the starter's is
 * handed over at once: there are few of them, and the outbox would touch a page more. */
void remote_free(struct heap *heap, struct pool *pool, struct block *block);

/* Hands one block over at once: for threads without a heap and for signal handlers. Takes no
 * lock. */
void remote_free_now(struct pool *pool, struct block *block);

/* Hands over everything in the outbox. */
void remote_flush(struct heap *heap);

/* Calls the function for each chain in the outbox: how many blocks of which pool. Of the heap of
 * another thread, which goes on, the numbers may be a little off. */
void remote_each_chain(const struct heap *heap,
                       void (*visit)(const struct pool *pool, unsigned blocks, void *context),
                       void *context);

/* Makes the next frees of other heaps' blocks by the heap's thread take a slow path: no chain in
 * the outbox accepts another one. Any thread. */
void remote_close_outbox(struct heap *heap);

/* Whether other threads have left blocks in this heap's pools. */
bool remote_waits(const struct heap *heap);

/* Empties FULL pools whose blocks are all in their chains, until that has returned `bytes` to the
 * OS or another thread has arena_lock. The bytes returned. */
size_t remote_purge_waiting(size_t bytes);

/* The same in portions of about `quota` pages, arena by arena, and only for pools whose owners have
 * not ticked since `before_ms`. Whether it has come to the last arena; else the next call goes on
 * from there. */
bool remote_purge_sleepers(uint64_t before_ms, size_t *quota);

/* The first block of the chain that other threads have left in the pool; NULL if there is none. */
const struct block *remote_first(const struct pool *pool);

/* Whether the pool was emptied: none of its blocks is live. */
bool remote_is_emptied(const struct pool *pool);

/* Takes back what other threads have freed of this heap's pools. */
void remote_collect(struct heap *heap);

#endif
