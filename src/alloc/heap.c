/* heap.c: which pool serves a class, and when a pool goes. */
#include "heap.h"

#include "arena.h" // arena_take_slot, arena_release_slot
#include "hole.h"
#include "hooks.h"
#include "map.h"
#include "sample.h"
#include "thread_self.h"

#include "base/assert.h"

_Static_assert(sizeof(struct heap) <= HEAP_STRIDE, "a heap fits its place in the map");

void heap_init(struct heap *heap, uint32_t number)
{
    heap->number = (uint16_t)number;
    heap->tick_frees = 1;
    heap->small_limit = TABLE_MAX + 1;
    heap->ticked_ms = heap->dig_began_ms = os_now_ms();
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

/* The heap has pools of classes below this one only. */
static unsigned class_end(const struct heap *heap)
{
    return heap->has_objects ? OBJECT_CLASS_FIRST + OBJECT_CLASS_COUNT : CLASS_COUNT;
}

/* The free blocks of an own pool: in its list, and in holes. */
static unsigned own_free_blocks(const struct pool *pool)
{
    return pool_count_list(pool, block_list_first(pool->list)) + hole_blocks(pool);
}

/* ---- The ring of PARTIAL pools ---- */

/* Inserts at the back: the later a pool is used, the more of its blocks are freed by then. */
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

void heap_deactivate(struct heap *heap, struct pool *pool)
{
    sample_deactivated(heap, pool);
    pool->list = &pool->own;
    block_list_set(&pool->own, NULL);
    pool->left = pool_carved(pool) - hole_blocks(pool);
    *heap_active(heap, pool->size_class) = 0;
    if (pool_has_room(pool)) {
        pool_set_state(pool, POOL_PARTIAL);
        ring_insert(heap, pool);
    } else {
        heap_note_full(pool);
    }
}

void heap_note_full(struct pool *pool)
{
    pool_set_state(pool, POOL_FULL);
    pool->left = pool_batch(pool);
}

void heap_activate(struct heap *heap, struct pool *pool)
{
    unsigned size_class = pool->size_class;
    *heap_active(heap, size_class) = map_pool_number(pool);
    *heap_free_list(heap, size_class) = pool->own;
    block_list_set(&pool->own, NULL);
    pool->list = heap_free_list(heap, size_class);
    pool->dig_state = 0;
    pool_set_state(pool, POOL_ACTIVE);
    sample_activated(heap, pool);
}

/* Takes the ACTIVE pool, with its free blocks, out of the heap. */
static void detach_active(struct heap *heap, struct pool *pool)
{
    unsigned size_class = pool->size_class;
    sample_deactivated(heap, pool);
    pool->own = *heap_free_list(heap, size_class);
    pool->list = &pool->own;
    block_list_set(heap_free_list(heap, size_class), NULL);
    *heap_active(heap, size_class) = 0;
}

/* heap_take_partial passes over so many pools whose free blocks are all in holes. */
#define PASSED_OVER_MAX 8u

/* Pools that have only room to carve, of which there are few, move to the back, and some of those
 * that have only holes: to fill these takes memory. */
struct pool *heap_take_partial(struct heap *heap, unsigned size_class)
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

struct pool *heap_take_with_room(struct heap *heap, unsigned size_class)
{
    struct pool *pool = map_pool_by_number(*heap_partial(heap, size_class));
    if (pool != NULL)
        ring_remove(heap, pool);
    return pool;
}

void heap_put_first(struct heap *heap, struct pool *pool)
{
    pool_set_state(pool, POOL_PARTIAL);
    ring_insert(heap, pool);
    *heap_partial(heap, pool->size_class) = map_pool_number(pool);
}

struct pool *heap_make_pool(struct heap *heap, unsigned size_class)
{
    unsigned clean_page;
    uintptr_t start = arena_take_slot(&clean_page);
    if (start == 0)
        return NULL;
    struct pool *pool = map_pool((void *)start);
    pool_init(pool, start, size_class, heap->number, clean_page);
    if (watch_is_on(WATCH_FREES))
        profile_hooks.pool_made((void *)start);
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

/* Gives back a pool that hangs nowhere, and all of whose blocks are free. */
static void release_empty(struct heap *heap, struct pool *pool)
{
    size_t touched = touched_bytes(pool);
    if (pool->gc_table != NULL || pool->shared_counts != NULL) {
        pool_set_state(pool, POOL_PARTIAL); /* src/object counts no live blocks in it */
        __atomic_store_n(&pool->left, 0, __ATOMIC_RELAXED);
        __atomic_load_n(&hooks.pool_gone, __ATOMIC_RELAXED)(pool);
    } else {
        heap_release_pool(pool);
    }
    heap_note_released(heap, touched);
}

READS_RACES bool heap_is_starting(const struct heap *heap, unsigned size_class)
{
    return size_class < 64 && (heap->started >> size_class & 1) != 0 &&
           heap->active[size_class] == 0;
}

/* ---- Taking blocks back ---- */

/* What a pool that becomes PARTIAL counts as released: most of it may be free soon, without another
 * slow path. */
#define PARTIAL_BYTES (POOL_BYTES / 16)

/* Blocks of a FULL or PARTIAL pool have been freed, and `live` blocks are left: the pool changes
 * its state, or goes. */
static void update_state(struct heap *heap, struct pool *pool, unsigned live)
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
        release_empty(heap, pool);
    }
}

/* Whether `count` blocks hang in `own`, or as many as can be seen: a link that leads out of the
 * pool is the program's doing (refill.c reports it). */
static bool own_has(const struct pool *pool, unsigned count)
{
    unsigned seen = 0;
    for (const struct block *block = block_list_first(&pool->own); block != NULL && seen <= count;
         block = block_next(block), seen++)
        if (!pool_has_link(pool, block))
            return true;
    return seen == count;
}

/* 0: registry_call_quiet has closed the pool, so that its next free ticks. */
static bool has_valid_limit(const struct pool *pool)
{
    uint64_t limit = __atomic_load_n(&pool->limit, __ATOMIC_RELAXED);
    return limit == 0 || limit == pool_limit(pool, pool_open_blocks(pool));
}

/* Whether the record of an own pool agrees with itself. */
static bool pool_is_valid(const struct pool *pool)
{
    unsigned carved = pool_carved(pool), in_holes = hole_blocks(pool);
    if (carved > pool->capacity || pool->capacity * pool_block_bytes(pool) > POOL_BYTES ||
        pool->start % POOL_BYTES != 0)
        return false;
    switch (pool_state(pool)) {
    case POOL_ACTIVE:
        return pool->list != &pool->own && block_list_is_empty(&pool->own) && has_valid_limit(pool);
    case POOL_PARTIAL:
        return pool->list == &pool->own && has_valid_limit(pool) &&
               own_has(pool, carved - in_holes - pool->left);
    case POOL_FULL:
        return pool->list == &pool->own && has_valid_limit(pool) && in_holes == 0 &&
               own_has(pool, pool_batch(pool) - pool->left);
    default:
        return false;
    }
}

void heap_pool_drained(struct heap *heap, struct pool *pool)
{
    if (pool_state(pool) == POOL_ACTIVE) {
        heap->tick_due = true;
        sample_drained(heap, pool);
    } else {
        update_state(heap, pool, pool_live(pool));
    }
}

void heap_free_slow(struct heap *heap, struct pool *pool, struct block *block)
{
    DEBUG_ASSERT(pool_is_valid(pool));
    if (pool->limit == 0) { /* registry_call_quiet: another thread calls for a tick */
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
    if (pool_state(pool) == POOL_ACTIVE)
        sample_came(heap, pool->size_class, count);
    else
        update_state(heap, pool, pool_live(pool) - count);
}

void heap_take_emptied(struct heap *heap, struct pool *pool)
{
    DEBUG_ASSERT(pool_state(pool) == POOL_FULL && block_list_is_empty(&pool->own));
    release_empty(heap, pool);
}

/* ---- Giving pools to another heap ---- */

struct pool *heap_give_pool(struct heap *heap, const struct heap *to, unsigned size_class)
{
    struct pool *pool = map_pool_by_number(*heap_active(heap, size_class));
    if (pool != NULL && !block_list_is_empty(heap_free_list(heap, size_class))) {
        detach_active(heap, pool);
    } else {
        pool = heap_take_partial(heap, size_class);
    }
    if (pool != NULL)
        pool_set_heap(pool, to->number);
    return pool;
}

void heap_move_pool(struct heap *heap, struct heap *to, struct pool *pool)
{
    if (pool_state(pool) == POOL_ACTIVE) {
        detach_active(heap, pool);
        pool->left = pool_carved(pool) - own_free_blocks(pool);
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
            sample_set_left(heap, pool, 1);
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

bool heap_may_shorten_lists(const struct heap *heap)
{
    return heap != thread_self.heap || !os_may_be_in_handler();
}

void heap_release_if_empty(struct heap *heap, unsigned size_class)
{
    struct pool *pool = map_pool_by_number(*heap_active(heap, size_class));
    if (pool == NULL || own_free_blocks(pool) != pool_carved(pool))
        return;
    detach_active(heap, pool);
    release_empty(heap, pool);
}

void heap_release_empty(struct heap *heap)
{
    if (!heap_may_shorten_lists(heap))
        return;
    for (unsigned size_class = 0; size_class < class_end(heap); size_class++)
        heap_release_if_empty(heap, size_class);
}

/* ---- Checking ---- */

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
