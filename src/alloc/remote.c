/* remote.c: sender's and owner's side of a remote free. */
#include "remote.h"

#include "heap.h"
#include "map.h"

#define COUNT_SHIFT 48
#define ADDRESS_MASK ((UINT64_C(1) << COUNT_SHIFT) - 1)

/* The chain's pool had nothing to collect until now: tells its owner. */
static void notify(struct heap *owner, struct pool *pool)
{
    uint32_t top = atomic_load_explicit(&owner->pending, memory_order_relaxed);
    do {
        pool->pending_next = top;
    } while (!atomic_compare_exchange_weak_explicit(&owner->pending, &top, map_pool_number(pool),
                                                    memory_order_release, memory_order_relaxed));
}

/* Hands a chain of `count` blocks over. A dead heap (forked child) collects no more: its blocks are
 * left alone. */
static void publish(struct pool *pool, struct block *first, struct block *last, uint64_t count)
{
    struct heap *owner = map_heap(pool->heap);
    if (atomic_load_explicit(&owner->state, memory_order_relaxed) == HEAP_DEAD)
        return;
    uint64_t old = atomic_load_explicit(&pool->remote, memory_order_relaxed);
    uint64_t new;
    do {
        block_set_next(last, (const struct block *)(old & ADDRESS_MASK));
        new = (uintptr_t)first | ((old >> COUNT_SHIFT) + count) << COUNT_SHIFT;
        /* Acquire: a 0 that the owner stored comes after its last look at pending_next. */
    } while (!atomic_compare_exchange_weak_explicit(&pool->remote, &old, new, memory_order_acq_rel,
                                                    memory_order_relaxed));
    if (old == 0)
        notify(owner, pool);
}

/* What is handed over counts as released: it may be the last of a parked heap's pool. */
static void flush_slot(struct heap *heap, struct outbox_slot *slot)
{
    struct outbox_slot sent = *slot;
    if (sent.pool == NULL)
        return;
    size_t bytes = sent.blocks * pool_block_bytes(sent.pool);
    *slot = (struct outbox_slot){.pool = NULL};
    publish(sent.pool, sent.first, sent.last, sent.blocks);
    heap_note_released(heap, bytes);
}

static struct outbox_slot *slot_for(struct heap *heap, const struct pool *pool)
{
    return &heap->outbox[map_pool_number(pool) % OUTBOX_SLOTS];
}

void remote_free(struct heap *heap, struct pool *pool, struct block *block)
{
    struct outbox_slot *slot = slot_for(heap, pool);
    if (slot->pool != pool) {
        flush_slot(heap, slot);
        slot->pool = pool;
        slot->last = block;
    }
    block_set_next(block, slot->first);
    slot->first = block;
    slot->blocks++;
    if (slot->blocks == OUTBOX_BLOCKS || slot->blocks * pool_block_bytes(pool) >= OUTBOX_BYTES)
        flush_slot(heap, slot);
}

void remote_free_now(struct pool *pool, struct block *block)
{
    publish(pool, block, block, 1);
}

void remote_flush(struct heap *heap)
{
    for (unsigned i = 0; i < OUTBOX_SLOTS; i++)
        flush_slot(heap, &heap->outbox[i]);
}

bool remote_waits(const struct heap *heap)
{
    return atomic_load_explicit(&heap->pending, memory_order_relaxed) != 0;
}

void remote_collect(struct heap *heap)
{
    if (!remote_waits(heap))
        return;
    uint32_t number = atomic_exchange_explicit(&heap->pending, 0, memory_order_acquire);
    while (number != 0) {
        struct pool *pool = map_pool_by_number(number);
        number = pool->pending_next;
        uint64_t chain = atomic_exchange_explicit(&pool->remote, 0, memory_order_acq_rel);
        heap_take_chain(heap, pool, (struct block *)(chain & ADDRESS_MASK),
                        (unsigned)(chain >> COUNT_SHIFT));
    }
}
