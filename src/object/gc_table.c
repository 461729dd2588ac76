/* gc_table.c: making tables, keeping their lists, and the pools that go. */
#include "gc_table.h"

#include "hooks.h"
#include "owner.h"
#include "shared_counts.h"

#include "alloc/object_block.h" // object_block_release_pool
#include "base/lock.h"
#include "base/report.h"

#include <stdatomic.h>
#include <string.h>

static struct lock gc_table_lock = LOCK_INIT(RANK_GC_TABLE);

struct link gc_table_all = RING_INIT(gc_table_all);
struct link gc_table_young = RING_INIT(gc_table_young);
struct link gc_table_middle = RING_INIT(gc_table_middle);
struct link gc_table_stale = RING_INIT(gc_table_stale);

_Atomic size_t gc_table_large_bytes;

/* The number of the first empty pool whose table is still in the lists; each pool's `next` is that
 * of the next one. Pushed without a lock. */
static _Atomic uint32_t empty_pools;

/* Tables of pools that are gone, linked by `next`. Their memory is freed later, since the allocator
 * is in the middle of its work when a pool goes. Under gc_table_lock. */
static struct gc_table *gone_tables;

static void free_gone_tables(void)
{
    gc_table_lock_acquire();
    struct gc_table *table = gone_tables;
    __atomic_store_n(&gone_tables, NULL, __ATOMIC_RELAXED);
    gc_table_lock_release();
    while (table != NULL) {
        struct gc_table *next = table->next;
        molt_free(table);
        table = next;
    }
}

/* The list of all comes last: in a child that is forked in between, each other list still holds
 * some of the tables in that one, as its repair and walks over all tables suppose. */
static void remove_from_lists(struct gc_table *table)
{
    object_hooks.gc_table_gone(table);
    link_remove(&table->young);
    link_remove(&table->middle);
    link_remove(&table->stale);
    link_remove(&table->all);
}

/* ---- Pools that go, and the lock ---- */

/* The pool's table leaves the lists, to be freed with the shared counts. Under gc_table_lock. */
static void forget_pool(struct pool *pool)
{
    struct gc_table *table = pool->gc_table;
    if (table != NULL) {
        remove_from_lists(table);
        __atomic_store_n(&pool->gc_table, NULL, __ATOMIC_RELAXED); /* before the table is freed */
        table->next = gone_tables;
        __atomic_store_n(&gone_tables, table, __ATOMIC_RELEASE);
    }
    shared_counts_gone(&pool->shared_counts);
}

/* Takes all empty pools off their list, and their tables out of the others. Returns the first
 * pool's number. Under gc_table_lock. */
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

/* Whether the list of empty pools is empty, asked by a thread that has just released gc_table_lock.
 * It asks by a store. If that comes after the push of another thread, it sees that thread's pool;
 * if before, the other thread's push has read this store, so its lock_try finds the lock free. */
static bool no_pool_waits(void)
{
    uint32_t none = 0;
    return atomic_compare_exchange_strong_explicit(&empty_pools, &none, 0, memory_order_acq_rel,
                                                   memory_order_acquire);
}

void gc_table_lock_release(void)
{
    do {
        uint32_t pools = take_empty_pools();
        lock_release(&gc_table_lock);
        give_back(pools);
    } while (!no_pool_waits() && lock_try(&gc_table_lock));
}

void gc_table_pool_gone(struct pool *pool)
{
    uint32_t top = atomic_load_explicit(&empty_pools, memory_order_relaxed);
    do {
        pool->next = top;
    } while (!atomic_compare_exchange_weak_explicit(&empty_pools, &top, map_pool_number(pool),
                                                    memory_order_acq_rel, memory_order_relaxed));
    if (lock_try(&gc_table_lock))
        gc_table_lock_release();
}

void gc_table_lock_acquire(void)
{
    if (UNLIKELY(gc_table_lock_is_mine()))
        report_fatal("a visitor makes or releases an object");
    lock_acquire(&gc_table_lock);
}

bool gc_table_lock_is_mine(void)
{
    return lock_is_mine(&gc_table_lock);
}

/* ---- Making ---- */

static void add_table(struct gc_table *table)
{
    gc_table_lock_acquire();
    ring_add(&gc_table_all, &table->all);
    gc_table_lock_release();
}

static struct gc_table *make_table(struct pool *pool)
{
    size_t words = (pool->capacity + 63u) / 64;
    size_t bytes = sizeof(struct gc_table) + GC_BITS * words * sizeof(uint64_t);
    struct gc_table *table = molt_malloc(bytes);
    if (table == NULL)
        return NULL;
    memset(table, 0, bytes);
    table->start = pool->start;
    table->block_bytes = pool_block_bytes(pool);
    table->reciprocal = gc_table_reciprocal(table->block_bytes);
    table->capacity = pool->capacity;
    table->words = (uint16_t)words;
    table->white = gc_table_words(table, GC_WHITE);
    table->pool = pool;
    table->owner = owner_of_heap(pool_heap(pool));
    return table;
}

struct gc_table *gc_table_of_pool(struct pool *pool)
{
    if (LIKELY(pool->gc_table != NULL))
        return pool->gc_table;
    if (__atomic_load_n(&gone_tables, __ATOMIC_RELAXED) != NULL)
        free_gone_tables();
    shared_counts_free_gone();
    struct gc_table *made = make_table(pool);
    if (made == NULL)
        return NULL;
    add_table(made);
    __atomic_store_n(&pool->gc_table, made, __ATOMIC_RELEASE);
    return made;
}

void gc_table_init_large(struct large *large, struct owner *owner, size_t bytes, bool tracked)
{
    struct gc_table *table = &large->table;
    table->start = (uintptr_t)(large + 1);
    table->block_bytes = bytes;
    table->capacity = 1;
    table->words = tracked;
    table->white = gc_table_words(table, GC_WHITE);
    table->owner = owner;
    if (tracked)
        gc_table_large_bytes += bytes;
    add_table(table);
}

void gc_table_remove_large(struct large *large)
{
    gc_table_lock_acquire();
    remove_from_lists(&large->table);
    if (large->table.words != 0)
        gc_table_large_bytes -= large->table.block_bytes;
    shared_counts_gone(&large->shared_counts);
    gc_table_lock_release();
}

static COLD void make_stale(struct gc_table *table)
{
    gc_table_lock_acquire();
    if (!link_is_linked(&table->stale))
        ring_add(&gc_table_stale, &table->stale);
    atomic_store_explicit(&table->is_stale, true, memory_order_relaxed);
    gc_table_lock_release();
}

bool gc_table_forget_old(const void *object, uint64_t header, const struct owner *self)
{
    struct gc_table *table = gc_table_of(object, header);
    if (LIKELY(table->owner == self)) {
        gc_table_forget(table, gc_table_index(table, object));
        return true;
    }
    if (!atomic_load_explicit(&table->is_stale, memory_order_relaxed))
        make_stale(table);
    return false;
}

void gc_table_add_young(struct gc_table *table)
{
    if (link_is_linked(&table->young))
        return;
    gc_table_lock_acquire();
    ring_add(&gc_table_young, &table->young);
    gc_table_lock_release();
}

/* The pool gets the table that was made for it, if one is in the list to which the pool does not
 * lead: a thread that vanished at a fork may have been between the two. */
static void find_table(struct pool *pool)
{
    gc_table_lock_acquire();
    for (struct link *link = gc_table_all.next; link != &gc_table_all; link = link->next) {
        struct gc_table *table = LINK_OWNER(link, struct gc_table, all);
        if (table->pool == pool)
            __atomic_store_n(&pool->gc_table, table, __ATOMIC_RELEASE);
    }
    gc_table_lock_release();
}

bool gc_table_complete(struct heap *heap)
{
    for (unsigned i = 0; i < OBJECT_CLASSES; i++) {
        struct pool *pool = map_pool_by_number(*heap_active(heap, OBJECT_CLASS_FIRST + i));
        if (pool != NULL && pool->gc_table == NULL)
            find_table(pool);
        struct gc_table *table = pool != NULL ? gc_table_of_pool(pool) : NULL;
        if (pool != NULL && table == NULL)
            return false;
        if (table != NULL)
            gc_table_add_young(table);
    }
    return true;
}

/* ---- Repair ---- */

/* A ring is whole forward at any moment (base/list.h); the links backward follow from that. */
static void repair_ring(struct link *ring)
{
    struct link *last = ring;
    for (struct link *link = ring->next; link != ring; link = link->next) {
        link->prev = last;
        last = link;
    }
    ring->prev = last;
}

/* The same for a ring that holds some of the tables, by their links at `member`. A vanished thread
 * may have left the link of a table that is in no ring half set or half cleared: it becomes zero.
 */
static void repair_subset_ring(struct link *ring, size_t member)
{
    for (struct link *link = gc_table_all.next; link != &gc_table_all; link = link->next)
        ((struct link *)(void *)((char *)LINK_OWNER(link, struct gc_table, all) + member))->prev =
            NULL;
    repair_ring(ring);
    for (struct link *link = gc_table_all.next; link != &gc_table_all; link = link->next) {
        struct link *part = (void *)((char *)LINK_OWNER(link, struct gc_table, all) + member);
        if (part->prev == NULL)
            part->next = NULL;
    }
}

/* All shared counts that are in an owner's queue are marked so. */
static void repair_queues(void)
{
    for (struct owner *owner = atomic_load(&owner_first); owner != NULL; owner = owner->next)
        for (struct shared_counts *counts = atomic_load(&owner->queue); counts != NULL;
             counts = counts->next)
            atomic_store_explicit(&counts->is_queued, true, memory_order_relaxed);
}

static void clear_collection_notes(struct gc_table *table)
{
    table->numbered = 0;
    table->is_gathered = false;
    table->shadow = NULL;
    memset(gc_table_words(table, GC_DUE), 0, table->words * sizeof(uint64_t));
}

void gc_table_forget_collection(void)
{
    for (struct link *link = gc_table_all.next; link != &gc_table_all; link = link->next)
        clear_collection_notes(LINK_OWNER(link, struct gc_table, all));
}

void gc_table_repair(void)
{
    if (lock_is_left(&gc_table_lock)) {
        repair_ring(&gc_table_all);
        repair_subset_ring(&gc_table_young, offsetof(struct gc_table, young));
        repair_subset_ring(&gc_table_middle, offsetof(struct gc_table, middle));
        repair_subset_ring(&gc_table_stale, offsetof(struct gc_table, stale));
        repair_queues();
    }
    lock_free_left(&gc_table_lock);
}
