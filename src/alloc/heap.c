/* heap.c: which pool serves a class, and when a pool goes. */
#include "heap.h"

#include "arena.h" // arena_take_slot, arena_release_slot
#include "growth.h"
#include "hole.h"
#include "hooks.h"
#include "map.h"
#include "misuse.h"
#include "registry.h" // registry_steal
#include "remote.h"   // remote_collect

#include "base/assert.h"

_Static_assert(sizeof(struct heap) <= HEAP_STRIDE, "a heap fits its place in the map");

void heap_init(struct heap *heap, uint32_t number)
{
    heap->number = (uint16_t)number;
    heap->tick_frees = 1;
    heap->small_limit = TABLE_MAX + 1;
    heap->looked_ms = heap->dug_ms = os_now_ms();
    heap->released_ms = 1; /* long ago */
    for (unsigned size_class = 0; size_class < CLASS_COUNT; size_class++)
        block_list_set(&heap->free[size_class], NULL);
    for (size_t size = 0; size <= TABLE_MAX; size++)
        heap->class_of[size] = (uint8_t)size_class_of(size);
    atomic_store_explicit(&heap->state, HEAP_OWNED, memory_order_release);
}

void heap_prepare_objects(struct heap *heap)
{
    if (heap->has_objects)
        return;
    for (unsigned i = 0; i < OBJECT_CLASS_COUNT; i++)
        block_list_set(&heap->objects.free[i], NULL);
    heap->has_objects = true;
}

/* Classes that the heap may have pools of end here. */
static unsigned class_end(const struct heap *heap)
{
    return heap->has_objects ? OBJECT_CLASS_FIRST + OBJECT_CLASS_COUNT : CLASS_COUNT;
}

/* Those of an own pool, in its list or in holes. */
static unsigned free_blocks(const struct pool *pool)
{
    return pool_count_list(pool, block_list_first(pool->list)) + hole_blocks(pool);
}

/* ---- The ring of PARTIAL pools ---- */

/* At the back: until its turn comes more of its blocks are freed. */
static void ring_insert(struct heap *heap, struct pool *pool)
{
    uint32_t *first = heap_partial(heap, pool->size_class);
    uint32_t number = map_pool_number(pool);
    if (*first == 0) {
        pool->next = pool->prev = number;
        *first = number;
        return;
    }
    struct pool *head = map_pool_by_number(*first);
    pool->next = *first;
    pool->prev = head->prev;
    map_pool_by_number(head->prev)->next = number;
    head->prev = number;
}

static void ring_remove(struct heap *heap, struct pool *pool)
{
    uint32_t *first = heap_partial(heap, pool->size_class);
    uint32_t number = map_pool_number(pool);
    if (pool->next == number) { /* alone */
        *first = 0;
        return;
    }
    map_pool_by_number(pool->prev)->next = pool->next;
    map_pool_by_number(pool->next)->prev = pool->prev;
    if (*first == number)
        *first = pool->next;
}

/* ---- Changes of state ---- */

/* The heap's ACTIVE pool, whose list is empty, steps back. */
static void retire(struct heap *heap, struct pool *pool)
{
    pool->list = &pool->own;
    block_list_set(&pool->own, NULL);
    pool->left = pool_carved(pool) - hole_blocks(pool);
    *heap_active(heap, pool->size_class) = 0;
    if (pool_has_room(pool)) {
        pool_set_state(pool, POOL_PARTIAL);
        ring_insert(heap, pool);
    } else {
        pool_set_state(pool, POOL_FULL);
        pool->left = pool_batch(pool);
    }
}

static void activate(struct heap *heap, struct pool *pool)
{
    unsigned size_class = pool->size_class;
    *heap_active(heap, size_class) = map_pool_number(pool);
    *heap_free_list(heap, size_class) = pool->own;
    block_list_set(&pool->own, NULL);
    pool->list = heap_free_list(heap, size_class);
    pool->left = heap->tick_frees;
    pool->dig_state = 0;
    pool_set_state(pool, POOL_ACTIVE);
}

/* The ACTIVE pool, with its free blocks, hangs nowhere any more. */
static void detach_active(struct heap *heap, struct pool *pool)
{
    unsigned size_class = pool->size_class;
    pool->own = *heap_free_list(heap, size_class);
    pool->list = &pool->own;
    block_list_set(heap_free_list(heap, size_class), NULL);
    *heap_active(heap, size_class) = 0;
}

/* Of pools in a row whose free blocks are all in holes, this many wait for their turn. */
#define PASSED_OVER_MAX 8u

/* A PARTIAL pool with free blocks, which hangs nowhere any more; NULL if there is none. Those that
 * have only room to carve, of which there are few, move to the back, and some of those that have
 * only holes: to fill these takes memory. */
static struct pool *take_partial(struct heap *heap, unsigned size_class)
{
    uint32_t *first = heap_partial(heap, size_class), start = *first;
    struct pool *with_holes = NULL;
    unsigned passed_over = 0;
    if (start == 0)
        return NULL;
    do {
        struct pool *pool = map_pool_by_number(*first);
        if (!block_list_is_empty(&pool->own)) {
            ring_remove(heap, pool);
            return pool;
        }
        if (pool_holes(pool) != 0) {
            with_holes = pool;
            passed_over++;
        }
        *first = pool->next;
    } while (*first != start && passed_over < PASSED_OVER_MAX);
    if (with_holes != NULL)
        ring_remove(heap, with_holes);
    return with_holes;
}

static struct pool *make_pool(struct heap *heap, unsigned size_class)
{
    unsigned clean_page;
    uintptr_t start = arena_take_slot(&clean_page);
    if (start == 0)
        return NULL;
    struct pool *pool = map_pool((void *)start);
    pool_init(pool, start, size_class, heap->number, clean_page);
    return pool;
}

static struct pool *new_pool(struct heap *heap, unsigned size_class)
{
    struct pool *pool = make_pool(heap, size_class);
    if (pool == NULL)
        return NULL;
    if (*heap_active(heap, size_class) != 0) /* the class has filled a pool */
        pool_populate_ahead(pool);
    growth_check(heap);
    return pool;
}

static size_t touched_bytes(const struct pool *pool)
{
    return pool_carved(pool) * pool_block_bytes(pool);
}

void heap_release_pool(struct pool *pool)
{
    uintptr_t start = pool->start;
    size_t touched = touched_bytes(pool);
    pool_clear(pool);
    arena_release_slot(start, touched, hole_forget(pool));
}

/* Every block of the pool is free and it hangs nowhere any more. */
static void release(struct heap *heap, struct pool *pool)
{
    size_t touched = touched_bytes(pool);
    if (pool->gc_table != NULL || pool->shared_counts != NULL) {
        pool_set_state(pool, POOL_PARTIAL); /* who counts live blocks finds none … */
        __atomic_store_n(&pool->left, 0, __ATOMIC_RELAXED);
        hooks.pool_gone(pool);
    } else {
        heap_release_pool(pool);
    }
    heap_note_released(heap, touched);
}

/* ---- Taking blocks ---- */

/* A pool with free blocks that is not ACTIVE: an own one, or one of a parked heap; pools of objects
 * never change hands, since their objects name the owner. */
static struct pool *take_pool_with_free(struct heap *heap, unsigned size_class)
{
    struct pool *pool = take_partial(heap, size_class);
    if (pool != NULL || size_class >= OBJECT_CLASS_FIRST)
        return pool;
    return registry_steal(heap, size_class);
}

/* A pool that is not ACTIVE to carve blocks from. */
static struct pool *take_pool_with_room(struct heap *heap, unsigned size_class)
{
    struct pool *pool = map_pool_by_number(*heap_partial(heap, size_class));
    if (pool == NULL)
        return new_pool(heap, size_class);
    ring_remove(heap, pool);
    return pool;
}

/* A pool with free blocks, or with room for more, becomes ACTIVE: `next`, which has free blocks or
 * is NULL, then room in the present pool, then in others, then a new pool. */
static struct pool *choose_pool(struct heap *heap, struct pool *next, unsigned size_class)
{
    struct pool *active = map_pool_by_number(*heap_active(heap, size_class));
    if (next == NULL && active != NULL && pool_has_room(active))
        return active;
    if (next == NULL)
        next = take_pool_with_room(heap, size_class);
    if (active != NULL)
        retire(heap, active);
    if (next != NULL)
        activate(heap, next);
    return next;
}

/* ---- Starting ---- */

_Static_assert(START_BLOCK_MAX <= (size_t)4 << 10, "classes that have a bit in `started`");

/* How many blocks of `bytes` a heap starts with: small ones in whole cache lines. */
static unsigned start_count(size_t bytes)
{
    size_t step = bytes & -bytes; /* blocks begin at multiples of it */
    size_t unit = bytes <= START_LINES_MAX && step < CACHE_LINE ? CACHE_LINE / step : 1;
    size_t count = START_BYTES / bytes / unit * unit;
    return (unsigned)(count > unit ? count : unit);
}

/* The newest pool is the ring's first, and the only one with room. */
struct block *heap_carve_start(struct heap *heap, unsigned size_class)
{
    unsigned count = start_count(size_class_bytes(size_class));
    struct pool *pool = map_pool_by_number(*heap_partial(heap, size_class));
    if (pool == NULL || pool_carved(pool) + count > pool->capacity) {
        pool = make_pool(heap, size_class);
        if (pool == NULL)
            return NULL;
        pool_set_state(pool, POOL_PARTIAL);
        ring_insert(heap, pool);
        *heap_partial(heap, size_class) = map_pool_number(pool);
    }
    return pool_carve_live(pool, count);
}

/* The process's first heap, which is all that most programs have, needs no start. */
static bool may_start(struct heap *heap, unsigned size_class)
{
    return heap->number != 1 && size_class < OBJECT_CLASS_FIRST &&
           size_class_bytes(size_class) <= START_BLOCK_MAX &&
           (heap->started >> size_class & 1) == 0 && heap->active[size_class] == 0 &&
           heap->partial[size_class] == 0;
}

READS_RACES bool heap_is_starting(const struct heap *heap, unsigned size_class)
{
    return size_class < 64 && (heap->started >> size_class & 1) != 0 &&
           heap->active[size_class] == 0;
}

/* A thread that allocates a few blocks shall not touch a page for each size: its first ones lie
 * beside those of other threads. Whether there are some in the list now. */
static bool start(struct heap *heap, unsigned size_class)
{
    if (!may_start(heap, size_class))
        return false;
    struct block *blocks = registry_start(size_class);
    if (blocks == NULL)
        return false;
    heap->started |= UINT64_C(1) << size_class;
    block_list_set(&heap->free[size_class], blocks);
    growth_check(heap);
    return true;
}

void heap_return_start(struct heap *heap)
{
    for (unsigned size_class = 0; size_class < CLASS_COUNT; size_class++) {
        struct block *block;
        while (heap_is_starting(heap, size_class) &&
               (block = block_list_pop(&heap->free[size_class])) != NULL)
            remote_free_now(map_pool(block), block);
    }
    heap->started = 0;
}

/* ---- Refilling ---- */

/* Finds blocks for the class's list, which is empty. */
static bool refill(struct heap *heap, unsigned size_class, bool *zero)
{
    struct pool *next = take_pool_with_free(heap, size_class);
    if (next == NULL && start(heap, size_class))
        return true;
    struct pool *pool = choose_pool(heap, next, size_class);
    if (pool == NULL)
        return false;
    struct block_list *list = heap_free_list(heap, size_class);
    if (block_list_is_empty(list))
        block_list_set(list,
                       pool_holes(pool) != 0 ? hole_fill(pool, zero) : pool_carve(pool, zero));
    return true;
}

struct block *heap_refill(struct heap *heap, unsigned size_class, bool *zero)
{
    *zero = false;
    remote_collect(heap);
    DEBUG_ASSERT(heap_class_is_valid(heap, size_class));
    struct block_list *list = heap_free_list(heap, size_class);
    if (block_list_is_empty(list) && !refill(heap, size_class, zero))
        return NULL;
    struct block *block = block_list_pop(list);
    if (UNLIKELY(block == NULL)) /* none but the program has written there */
        misuse_report_written(block_list_first(list), size_class_bytes(size_class));
    DEBUG_ASSERT(heap_class_is_valid(heap, size_class));
    return block;
}

/* ---- Taking blocks back ---- */

/* Of pools that become PARTIAL much may be free soon, with no slow path in between: so many of them
 * count as much as one that goes. */
#define PARTIAL_BYTES (POOL_BYTES / 16)

/* Blocks of a FULL or PARTIAL pool have been freed, `live` are left. */
static void settle(struct heap *heap, struct pool *pool, unsigned live)
{
    bool was_full = pool_state(pool) == POOL_FULL;
    unsigned not_live = pool_carved(pool) - live;
    if (was_full && not_live < pool_batch(pool)) {
        pool->left = pool_batch(pool) - not_live;
    } else if (live > 0) {
        pool->left = live;
        if (was_full) {
            pool_set_state(pool, POOL_PARTIAL);
            ring_insert(heap, pool);
            heap_note_released(heap, PARTIAL_BYTES);
        }
    } else {
        if (!was_full)
            ring_remove(heap, pool);
        release(heap, pool);
    }
}

void heap_pool_drained(struct heap *heap, struct pool *pool)
{
    if (pool_state(pool) == POOL_ACTIVE) {
        heap->tick_due = true;
        pool->left = heap->tick_frees;
    } else {
        settle(heap, pool, pool_live(pool));
    }
}

void heap_free_slow(struct heap *heap, struct pool *pool, struct block *block)
{
    DEBUG_ASSERT(pool_is_valid(pool));
    if (pool->limit == 0) { /* others want the heap to look at the clock */
        pool_open(pool);
        heap->tick_due = true;
    }
    block_list_push(pool->list, block);
    if (--pool->left == 0)
        heap_pool_drained(heap, pool);
}

void heap_take_chain(struct heap *heap, struct pool *pool, struct block *first, struct block *last,
                     unsigned count)
{
    block_set_next(last, block_list_first(pool->list));
    block_list_set(pool->list, first);
    if (pool_state(pool) != POOL_ACTIVE)
        settle(heap, pool, pool_live(pool) - count);
}

void heap_take_emptied(struct heap *heap, struct pool *pool)
{
    DEBUG_ASSERT(pool_state(pool) == POOL_FULL && block_list_is_empty(&pool->own));
    release(heap, pool);
}

/* ---- Giving pools to another heap ---- */

struct pool *heap_give_pool(struct heap *heap, const struct heap *to, unsigned size_class)
{
    struct pool *pool = map_pool_by_number(*heap_active(heap, size_class));
    if (pool != NULL && !block_list_is_empty(heap_free_list(heap, size_class))) {
        detach_active(heap, pool);
    } else {
        pool = take_partial(heap, size_class);
    }
    if (pool != NULL)
        pool_set_heap(pool, to->number);
    return pool;
}

void heap_move_pool(struct heap *heap, struct heap *to, struct pool *pool)
{
    if (pool_state(pool) == POOL_ACTIVE) {
        detach_active(heap, pool);
        pool->left = pool_carved(pool) - free_blocks(pool);
        pool_set_state(pool, POOL_PARTIAL);
        ring_insert(to, pool);
    } else if (pool_state(pool) == POOL_PARTIAL) {
        ring_remove(heap, pool);
        ring_insert(to, pool);
    }
    pool_set_heap(pool, to->number);
}

/* ---- Giving memory back ---- */

void heap_arm(struct heap *heap)
{
    heap->released_bytes = 0;
    heap->tick_frees = 1;
    heap->small_limit = 0;
    for (unsigned size_class = 0; size_class < class_end(heap); size_class++) {
        struct pool *pool = map_pool_by_number(*heap_active(heap, size_class));
        if (pool != NULL)
            pool->left = 1;
    }
}

void heap_note_released(struct heap *heap, size_t bytes)
{
    heap->released_bytes += bytes;
    if (heap->released_bytes < ARM_BYTES)
        return;
    heap->released_ms = 0;
    heap_arm(heap);
    heap->tick_due = true;
}

bool heap_class_is_valid(struct heap *heap, unsigned size_class)
{
    const struct pool *active = map_pool_by_number(*heap_active(heap, size_class));
    if (active == NULL ? !block_list_is_empty(heap_free_list(heap, size_class)) &&
                             !heap_is_starting(heap, size_class)
                       : pool_state(active) != POOL_ACTIVE || !pool_is_valid(active) ||
                             active->list != heap_free_list(heap, size_class))
        return false;
    const struct pool *first = map_pool_by_number(*heap_partial(heap, size_class));
    for (const struct pool *pool = first; pool != NULL;) {
        const struct pool *next = map_pool_by_number(pool->next);
        if (pool_state(pool) != POOL_PARTIAL || !pool_is_valid(pool) ||
            pool_heap(pool) != heap->number || pool->size_class != size_class ||
            map_pool_by_number(next->prev) != pool)
            return false;
        pool = next == first ? NULL : next;
    }
    return true;
}

void heap_release_if_empty(struct heap *heap, unsigned size_class)
{
    struct pool *pool = map_pool_by_number(*heap_active(heap, size_class));
    if (pool == NULL || free_blocks(pool) != pool_carved(pool))
        return;
    detach_active(heap, pool);
    release(heap, pool);
}

void heap_release_empty(struct heap *heap)
{
    for (unsigned size_class = 0; size_class < class_end(heap); size_class++)
        heap_release_if_empty(heap, size_class);
}

/* ---- Holes ---- */

#define DUG 0x80000000u      /* in pool->dig_state: there was nothing left to give back then */
#define BLOCKS_PER_QUOTA 32u /* free blocks that are looked at in 0.25 µs */

/* Differs when blocks of the pool have been taken or freed meanwhile. Never 0 for a PARTIAL pool.
 */
static uint32_t dig_state(const struct pool *pool)
{
    uint32_t state = pool->left;
    if (pool_state(pool) == POOL_ACTIVE)
        state = (state * 0x9e3779b1u) ^ (uint32_t)((uintptr_t)pool->list->head >> 3);
    return state & ~DUG;
}

static void spend(size_t *quota, size_t cost)
{
    *quota -= cost < *quota ? cost : *quota;
}

static void dig(struct heap *heap, struct pool *pool, bool idle, size_t *quota)
{
    uint32_t state = dig_state(pool);
    bool is_idle = pool->dig_state == state, is_dug = pool->dig_state == (state | DUG);
    pool->dig_round = heap->dig_round;
    pool->dig_state = is_dug ? state | DUG : state;
    spend(quota, 1);
    if (is_dug || (idle && !is_idle))
        return;
    unsigned blocks = pool_state(pool) == POOL_ACTIVE
                          ? pool_count_list(pool, block_list_first(pool->list))
                          : pool_carved(pool) - pool->left - hole_blocks(pool);
    spend(quota, blocks / BLOCKS_PER_QUOTA + hole_dig(pool, blocks));
    pool->dig_state = dig_state(pool) | DUG;
}

/* The ring turns, so that what has been looked at comes last. */
static bool dig_class(struct heap *heap, unsigned size_class, bool idle, size_t *quota)
{
    struct pool *active = map_pool_by_number(heap->active[size_class]);
    if (active != NULL && active->dig_round != heap->dig_round)
        dig(heap, active, idle, quota);
    uint32_t *first = &heap->partial[size_class];
    for (struct pool *pool = map_pool_by_number(*first);
         pool != NULL && pool->dig_round != heap->dig_round; pool = map_pool_by_number(*first)) {
        if (*quota == 0)
            return false;
        dig(heap, pool, idle, quota);
        *first = pool->next;
    }
    return true;
}

bool heap_dig_holes(struct heap *heap, bool idle, size_t *quota)
{
    static _Atomic uint32_t rounds; /* pools change hands: no two heaps have the same */
    if (heap->dig_round == 0) {
        heap->dig_round =
            (atomic_fetch_add_explicit(&rounds, 1, memory_order_relaxed) + 1) | 1u << 31;
        heap->dig_class = 0;
    }
    for (; heap->dig_class < CLASS_COUNT; heap->dig_class++)
        if (!dig_class(heap, heap->dig_class, idle, quota))
            return false;
    heap->dig_round = 0;
    return true;
}
