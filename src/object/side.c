/* side.c: making sides, and their lists. */
#include "side.h"

#include "hooks.h"
#include "owner.h"
#include "shares.h"

#include "alloc/object_block.h" // object_block_release_pool
#include "base/lock.h"
#include "base/report.h"

#include <stdatomic.h>
#include <string.h>

static struct lock side_lock = LOCK_INIT(RANK_SIDE);

struct link side_all = RING_INIT(side_all);
struct link side_young = RING_INIT(side_young);
struct link side_middle = RING_INIT(side_middle);
struct link side_stale = RING_INIT(side_stale);

_Atomic size_t side_large_bytes;

/* Empty pools that nobody has taken out of the lists yet: numbers, linked by their `next`. */
static _Atomic uint32_t empty_pools;

/* Sides of pools that are gone, linked by next: their memory cannot be freed at once, since the
 * allocator is in the middle of its work then. Under side_lock. */
static struct side *gone;

static void free_gone(void)
{
    side_lock_acquire();
    struct side *side = gone;
    __atomic_store_n(&gone, NULL, __ATOMIC_RELAXED);
    side_lock_release();
    while (side != NULL) {
        struct side *next = side->next;
        molt_free(side);
        side = next;
    }
}

static void remove_from_lists(struct side *side)
{
    object_hooks.side_gone(side);
    link_remove(&side->all);
    link_remove(&side->young);
    link_remove(&side->middle);
    link_remove(&side->stale);
}

/* ---- Pools that go, and the lock ---- */

/* The pool's side leaves the lists, and is to be freed with the shares. Under side_lock. */
static void forget_pool(struct pool *pool)
{
    struct side *side = pool->side;
    if (side != NULL) {
        remove_from_lists(side);
        __atomic_store_n(&pool->side, NULL, __ATOMIC_RELAXED); /* nothing leads to what is freed */
        side->next = gone;
        __atomic_store_n(&gone, side, __ATOMIC_RELEASE);
    }
    shares_gone(&pool->shares);
}

/* All empty pools, which nobody else sees any more. Under side_lock. */
static uint32_t take_empty_pools(void)
{
    uint32_t first = atomic_exchange_explicit(&empty_pools, 0, memory_order_acquire);
    for (uint32_t number = first; number != 0; number = map_pool_by_number(number)->next)
        forget_pool(map_pool_by_number(number));
    return first;
}

static void give_back(uint32_t number)
{
    while (number != 0) {
        struct pool *pool = map_pool_by_number(number);
        number = pool->next; /* before the slot is another pool */
        object_block_release_pool(pool);
    }
}

/* Whether no pool waits for side_lock. Who has just let go of it asks by a store: either that comes
 * after the store of who leaves a pool, and finds it, or before, and then that thread, which reads
 * what is stored here, finds the lock free. */
static bool no_pool_waits(void)
{
    uint32_t none = 0;
    return atomic_compare_exchange_strong_explicit(&empty_pools, &none, 0, memory_order_acq_rel,
                                                   memory_order_acquire);
}

void side_lock_release(void)
{
    do {
        uint32_t pools = take_empty_pools();
        lock_release(&side_lock);
        give_back(pools);
    } while (!no_pool_waits() && lock_try(&side_lock));
}

void side_pool_gone(struct pool *pool)
{
    uint32_t top = atomic_load_explicit(&empty_pools, memory_order_relaxed);
    do {
        pool->next = top;
    } while (!atomic_compare_exchange_weak_explicit(&empty_pools, &top, map_pool_number(pool),
                                                    memory_order_acq_rel, memory_order_relaxed));
    if (lock_try(&side_lock))
        side_lock_release();
}

void side_lock_acquire(void)
{
    if (UNLIKELY(side_lock_is_mine()))
        report_fatal("a visitor makes or releases an object");
    lock_acquire(&side_lock);
}

bool side_lock_is_mine(void)
{
    return lock_is_mine(&side_lock);
}

/* ---- Making ---- */

static void add_to_all(struct side *side)
{
    side_lock_acquire();
    ring_add(&side_all, &side->all);
    side_lock_release();
}

static struct side *make_side(struct pool *pool)
{
    size_t words = (pool->capacity + 63u) / 64;
    size_t bytes = sizeof(struct side) + SIDE_BITMAPS * words * sizeof(uint64_t);
    struct side *side = molt_malloc(bytes);
    if (side == NULL)
        return NULL;
    memset(side, 0, bytes);
    side->start = pool->start;
    side->block_bytes = pool_block_bytes(pool);
    side->reciprocal = side_reciprocal(side->block_bytes);
    side->capacity = pool->capacity;
    side->words = (uint16_t)words;
    side->white = side_bits(side, SIDE_WHITE);
    side->pool = pool;
    side->owner = owner_of_heap(pool_heap(pool));
    return side;
}

struct side *side_of_pool(struct pool *pool)
{
    if (LIKELY(pool->side != NULL))
        return pool->side;
    if (__atomic_load_n(&gone, __ATOMIC_RELAXED) != NULL)
        free_gone();
    shares_free_gone();
    struct side *made = make_side(pool);
    if (made == NULL)
        return NULL;
    add_to_all(made);
    __atomic_store_n(&pool->side, made, __ATOMIC_RELEASE);
    return made;
}

void side_init_large(struct large *large, struct owner *owner, size_t bytes, bool tracked)
{
    struct side *side = &large->side;
    side->start = (uintptr_t)(large + 1);
    side->block_bytes = bytes;
    side->capacity = 1;
    side->words = tracked;
    side->white = side_bits(side, SIDE_WHITE);
    side->owner = owner;
    if (tracked)
        side_large_bytes += bytes;
    add_to_all(side);
}

void side_remove_large(struct large *large)
{
    side_lock_acquire();
    remove_from_lists(&large->side);
    if (large->side.words != 0)
        side_large_bytes -= large->side.block_bytes;
    shares_gone(&large->shares);
    side_lock_release();
}

static COLD void note_stale(struct side *side)
{
    side_lock_acquire();
    if (!link_is_linked(&side->stale))
        ring_add(&side_stale, &side->stale);
    atomic_store_explicit(&side->is_stale, true, memory_order_relaxed);
    side_lock_release();
}

bool side_forget_old(const void *object, uint64_t header, const struct owner *self)
{
    struct side *side = side_of(object, header);
    if (LIKELY(side->owner == self)) {
        side_forget(side, side_index(side, object));
        return true;
    }
    if (!atomic_load_explicit(&side->is_stale, memory_order_relaxed))
        note_stale(side);
    return false;
}

void side_add_young(struct side *side)
{
    if (link_is_linked(&side->young))
        return;
    side_lock_acquire();
    ring_add(&side_young, &side->young);
    side_lock_release();
}

/* A side that is in the list, but to which its pool does not lead yet: that may be cut, too. */
static void lead_to_side(struct pool *pool)
{
    side_lock_acquire();
    for (struct link *link = side_all.next; link != &side_all; link = link->next) {
        struct side *side = LINK_OWNER(link, struct side, all);
        if (side->pool == pool)
            __atomic_store_n(&pool->side, side, __ATOMIC_RELEASE);
    }
    side_lock_release();
}

bool side_complete(struct heap *heap)
{
    for (unsigned i = 0; i < OBJECT_CLASSES; i++) {
        struct pool *pool = map_pool_by_number(*heap_active(heap, OBJECT_CLASS_FIRST + i));
        if (pool != NULL && pool->side == NULL)
            lead_to_side(pool);
        struct side *side = pool != NULL ? side_of_pool(pool) : NULL;
        if (pool != NULL && side == NULL)
            return false;
        if (side != NULL)
            side_add_young(side);
    }
    return true;
}

/* ---- Repair ---- */

/* The way forward is whole at any moment; the way back follows from it. */
static void repair_ring(struct link *ring)
{
    struct link *last = ring;
    for (struct link *link = ring->next; link != ring; link = link->next) {
        link->prev = last;
        last = link;
    }
    ring->prev = last;
}

/* The same for a ring of some of all sides. One that is in it forward alone, or no longer, may
 * still have a link that says otherwise. */
static void repair_part(struct link *ring, size_t member)
{
    for (struct link *link = side_all.next; link != &side_all; link = link->next)
        ((struct link *)(void *)((char *)LINK_OWNER(link, struct side, all) + member))->prev = NULL;
    repair_ring(ring);
    for (struct link *link = side_all.next; link != &side_all; link = link->next) {
        struct link *part = (void *)((char *)LINK_OWNER(link, struct side, all) + member);
        if (part->prev == NULL)
            part->next = NULL;
    }
}

/* What is in a queue says so. */
static void repair_queues(void)
{
    for (struct owner *owner = atomic_load(&owner_first); owner != NULL; owner = owner->next)
        for (struct shares *shares = atomic_load(&owner->queue); shares != NULL;
             shares = shares->next)
            atomic_store_explicit(&shares->is_queued, true, memory_order_relaxed);
}

/* What a collection notes of a side. */
static void forget_collection(struct side *side)
{
    side->numbered = 0;
    side->is_gathered = false;
    side->proposal = NULL;
    memset(side_bits(side, SIDE_DUE), 0, side->words * sizeof(uint64_t));
}

void side_forget_collection(void)
{
    for (struct link *link = side_all.next; link != &side_all; link = link->next)
        forget_collection(LINK_OWNER(link, struct side, all));
}

void side_repair(void)
{
    if (lock_is_left(&side_lock)) {
        repair_ring(&side_all);
        repair_part(&side_young, offsetof(struct side, young));
        repair_part(&side_middle, offsetof(struct side, middle));
        repair_part(&side_stale, offsetof(struct side, stale));
        repair_queues();
    }
    lock_free_left(&side_lock);
}
