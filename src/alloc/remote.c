/* remote.c: the freeing thread's and the owner's side of a remote free. */
#include "remote.h"

#include "arena.h"
#include "heap.h"
#include "hole.h" // hole_has
#include "map.h"
#include "misuse.h"
#include "watch.h"

#define COUNT_SHIFT 48
#define ADDRESS_MASK ((UINT64_C(1) << COUNT_SHIFT) - 1)

/* In place of the chain's address: the pool was emptied. */
#define EMPTIED UINT64_C(1)

static bool is_emptied(uint64_t chain)
{
    return (chain & ADDRESS_MASK) == EMPTIED;
}

const struct block *remote_first(const struct pool *pool)
{
    uint64_t chain = atomic_load_explicit(&pool->remote, memory_order_acquire);
    return is_emptied(chain) ? NULL : (const struct block *)(chain & ADDRESS_MASK);
}

bool remote_is_emptied(const struct pool *pool)
{
    return is_emptied(atomic_load_explicit(&pool->remote, memory_order_relaxed));
}

/* Tells the owner that the pool, which had no chain, has one now. */
static void notify_owner(struct heap *owner, struct pool *pool)
{
    uint32_t top = atomic_load_explicit(&owner->pending, memory_order_relaxed);
    do {
        pool->pending_next = top;
    } while (!atomic_compare_exchange_weak_explicit(&owner->pending, &top, map_pool_number(pool),
                                                    memory_order_release, memory_order_relaxed));
}

/* Hands a chain of `count` blocks over. A dead heap (in a forked child) never collects: blocks of
 * its pools are left alone. */
static void hand_over_chain(struct pool *pool, struct block *first, struct block *last,
                            uint64_t count)
{
    struct heap *owner = map_heap(pool_heap(pool));
    if (atomic_load_explicit(&owner->state, memory_order_relaxed) == HEAP_DEAD)
        return;
    uint64_t old = atomic_load_explicit(&pool->remote, memory_order_relaxed);
    uint64_t new;
    do {
        if (UNLIKELY(is_emptied(old)))
            misuse_report("free", first);
        block_set_next(last, (const struct block *)(old & ADDRESS_MASK));
        new = (uintptr_t)first | ((old >> COUNT_SHIFT) + count) << COUNT_SHIFT;
        /* Acquire: before the owner stores a 0 that is read here, it has read pending_next and
         * remote_last. */
    } while (!atomic_compare_exchange_weak_explicit(&pool->remote, &old, new, memory_order_acq_rel,
                                                    memory_order_relaxed));
    if (old != 0)
        return;
    pool->remote_last = last;
    notify_owner(owner, pool);
}

/* How many blocks a chain has when it is handed over. */
static uint64_t chain_blocks(const struct pool *pool)
{
    size_t most = OUTBOX_BYTES / pool_block_bytes(pool);
    return most < 1 ? 1 : most < OUTBOX_BLOCKS ? most : OUTBOX_BLOCKS;
}

/* Hands over the slot's chain. Its bytes count as released: they may be the last live ones of a
 * parked heap's pool, which goes back at a tick. */
static void flush_slot(struct heap *heap, unsigned number)
{
    struct outbox_slot *slot = &heap->outbox[number];
    uint64_t blocks = chain_blocks(slot->pool) - slot->room;
    size_t bytes = blocks * pool_block_bytes(slot->pool); /* before the pool may be gone */
    heap->outbox_used &= ~(UINT64_C(1) << number);
    slot->limit = 0;
    hand_over_chain(slot->pool, block_list_first(&slot->chain), slot->last, blocks);
    heap_note_released(heap, bytes);
}

/* Begins an empty chain for blocks of the pool. `last` is the block that is pushed first: the last
 * of the chain. */
static void begin_slot(struct heap *heap, unsigned number, struct pool *pool, struct block *last)
{
    heap->outbox[number] = (struct outbox_slot){.start = pool->start,
                                                .magic = pool->magic,
                                                .chain = {(struct block *)&block_end},
                                                .last = last,
                                                .pool = pool,
                                                .room = chain_blocks(pool)};
    heap->outbox_used |= UINT64_C(1) << number;
}

static bool is_used(const struct heap *heap, unsigned number)
{
    return (heap->outbox_used >> number & 1) != 0;
}

void remote_free(struct heap *heap, struct pool *pool, struct block *block)
{
    if (heap_state(map_heap(pool_heap(pool))) == HEAP_SHARED) {
        size_t bytes = pool_block_bytes(pool); /* before the pool may be gone */
        remote_free_now(pool, block);
        heap_note_released(heap, bytes);
        return;
    }
    unsigned number = outbox_number(block);
    struct outbox_slot *slot = &heap->outbox[number];
    if (is_used(heap, number) && (slot->pool != pool || slot->room == 0))
        flush_slot(heap, number);
    if (!is_used(heap, number))
        begin_slot(heap, number, pool, block);
    /* The fast path must send no object; check_chain tells blocks in holes apart. */
    bool is_closed = pool_has_objects(pool) || watch_every_call();
    slot->limit = is_closed ? 0 : pool_limit(pool, pool_carved(pool));
    outbox_push(slot, block);
    if (slot->room == 0)
        flush_slot(heap, number);
}

void remote_free_now(struct pool *pool, struct block *block)
{
    hand_over_chain(pool, block, block, 1);
}

READS_RACES void remote_close_outbox(struct heap *heap)
{
    for (uint64_t used = heap->outbox_used; used != 0; used &= used - 1)
        __atomic_store_n(&heap->outbox[__builtin_ctzll(used)].limit, 0, __ATOMIC_RELAXED);
}

void remote_flush(struct heap *heap)
{
    while (heap->outbox_used != 0)
        flush_slot(heap, (unsigned)__builtin_ctzll(heap->outbox_used));
}

READS_RACES void remote_each_chain(const struct heap *heap,
                                   void (*visit)(const struct pool *pool, unsigned blocks,
                                                 void *context),
                                   void *context)
{
    for (uint64_t used = heap->outbox_used; used != 0; used &= used - 1) {
        const struct outbox_slot *slot = &heap->outbox[__builtin_ctzll(used)];
        const struct pool *pool = slot->pool;
        uint64_t room = slot->room;
        if (pool != NULL && pool_state(pool) != POOL_NONE && room < chain_blocks(pool))
            visit(pool, (unsigned)(chain_blocks(pool) - room), context);
    }
}

/* Empties the pool, if it is FULL and all its blocks are in the chain. Under arena_lock: the owner,
 * which may collect at the same time, cannot release the slot before the purge is over. */
static bool purge_waiting(struct pool *pool)
{
    uint64_t chain = atomic_load_explicit(&pool->remote, memory_order_acquire);
    if (pool_state(pool) != POOL_FULL || chain >> COUNT_SHIFT != pool->capacity ||
        is_emptied(chain))
        return false;
    uint64_t emptied = (uint64_t)pool->capacity << COUNT_SHIFT | EMPTIED;
    if (!atomic_compare_exchange_strong_explicit(&pool->remote, &chain, emptied,
                                                 memory_order_acq_rel, memory_order_relaxed))
        return false;
    arena_note_gone(POOL_BYTES);
    pool_close(pool); /* so that free reports the second free of any of its blocks */
    os_purge((void *)pool->start, POOL_BYTES);
    return true;
}

size_t remote_purge_waiting(size_t bytes)
{
    size_t purged = 0;
    for (uint32_t number = 0; purged < bytes && number < map_arena_end() && lock_try(&arena_lock);
         number++) {
        struct pool *pools = map_pool((void *)map_arena_start(number));
        for (unsigned slot = 0; slot < ARENA_POOLS && purged < bytes; slot++)
            purged += purge_waiting(&pools[slot]) ? POOL_BYTES : 0;
        lock_release(&arena_lock);
    }
    return purged;
}

/* Reports a block of the chain that lies in a hole, and so was free before: outbox_accepts does not
 * know of holes that were dug after the chain was begun. */
static void check_chain(const struct pool *pool, const struct block *block, unsigned count)
{
    for (; pool_holes(pool) != 0 && count > 0; count--, block = block_next(block))
        if (hole_has(pool, block))
            misuse_report("free", block);
}

/* Whether the owner has not ticked since then. */
static bool sleeps_since(const struct pool *pool, uint64_t before_ms)
{
    const struct heap *owner = map_heap(pool_heap(pool));
    return __atomic_load_n(&owner->ticked_ms, __ATOMIC_RELAXED) <= before_ms;
}

bool remote_purge_sleepers(uint64_t before_ms, size_t *quota)
{
    static uint32_t next; /* the arena to go on with; under arena_lock */
    size_t pages = POOL_BYTES >> os_page_shift;
    if (!lock_try(&arena_lock))
        return true;
    for (; next < map_arena_end() && *quota > 0; next++) {
        struct pool *pools = map_pool((void *)map_arena_start(next));
        for (unsigned slot = 0; slot < ARENA_POOLS; slot++)
            if (pool_state(&pools[slot]) == POOL_FULL && sleeps_since(&pools[slot], before_ms) &&
                purge_waiting(&pools[slot]))
                *quota -= pages < *quota ? pages : *quota;
        *quota -= *quota > 0;
        lock_release(&arena_lock);
        lock_acquire(&arena_lock);
    }
    bool is_done = next >= map_arena_end();
    if (is_done)
        next = 0;
    lock_release(&arena_lock);
    return is_done;
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
        if (pool_heap(pool) != heap->number) { /* the pool was stolen */
            notify_owner(map_heap(pool_heap(pool)), pool);
            continue;
        }
        struct block *last = pool->remote_last;
        uint64_t chain = atomic_exchange_explicit(&pool->remote, 0, memory_order_acq_rel);
        if (is_emptied(chain)) {
            arena_note_back(POOL_BYTES);
            heap_take_emptied(heap, pool);
            continue;
        }
        struct block *first = (struct block *)(chain & ADDRESS_MASK);
        check_chain(pool, first, (unsigned)(chain >> COUNT_SHIFT));
        heap_take_chain(heap, pool, first, last, (unsigned)(chain >> COUNT_SHIFT));
    }
}
