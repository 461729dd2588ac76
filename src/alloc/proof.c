/* proof.c: walks through the lists in which a free block may hang. */
#include "proof.h"

#include "arena.h" // arena_lock
#include "heap.h"
#include "map.h"
#include "remote.h"
#include "thread.h" // thread_is_reentered

#include "os/os.h" // os_order_threads

enum answer { NO, YES, UNKNOWN };

/* ---- Lists that others may be changing ---- */

static READS_RACES const struct block *read_next(const struct block *block)
{
    return block_next_by(block, __atomic_load_n(&block->link, __ATOMIC_RELAXED));
}

/* The first block; of an empty list block_end, which lies in no pool. */
static READS_RACES const struct block *read_head(const struct block_list *list)
{
    return __atomic_load_n(&list->head, __ATOMIC_RELAXED);
}

/* Whether p is `block`, or hangs behind it. */
static bool is_linked(const struct pool *pool, const struct block *block, const void *p)
{
    for (unsigned n = 0; n < pool->capacity && block != NULL; n++) {
        if (block == p)
            return true;
        if (!pool_has_block(pool, block))
            return false;
        block = read_next(block);
    }
    return false;
}

/* The heap's slow paths up to now; odd: it is inside one. */
static READS_RACES uint32_t count_slow_paths(const struct heap *heap)
{
    uint32_t count = __atomic_load_n(&heap->slow_paths, __ATOMIC_RELAXED);
    os_order_threads(); /* if it cannot, still_counts() says so */
    return count;
}

/* Whether no slow path of the heap has begun or ended since that count. */
static READS_RACES bool still_counts(const struct heap *heap, uint32_t count)
{
    return os_order_threads() && __atomic_load_n(&heap->slow_paths, __ATOMIC_RELAXED) == count;
}

/* ---- The four places ---- */

/* What would differ if the list of an ACTIVE pool had changed. */
struct state {
    const struct block *head;
    uint32_t left;
};

static READS_RACES struct state read_state(const struct pool *pool)
{
    const struct block_list *list = __atomic_load_n(&pool->list, __ATOMIC_RELAXED);
    return (struct state){.head = read_head(list),
                          .left = __atomic_load_n(&pool->left, __ATOMIC_RELAXED)};
}

static bool is_unchanged(const struct pool *pool, struct state before)
{
    struct state now = read_state(pool);
    return pool_state(pool) != POOL_ACTIVE || (now.head == before.head && now.left == before.left);
}

/* Walks the chain in `remote` first: blocks leave it in slow paths only. */
static enum answer is_in_pool(const struct pool *pool, const void *p)
{
    const struct heap *owner = map_heap(pool_heap(pool));
    uint32_t slow_paths = count_slow_paths(owner);
    bool is_inside = slow_paths % 2 != 0, is_certain = true;
    bool is_found = is_linked(pool, remote_first(pool), p);
    if (!is_found) {
        struct state before = read_state(pool);
        is_found = is_linked(pool, before.head, p);
        is_certain =
            is_inside ? is_found
                      : is_unchanged(pool, before); /* inside, p may be in no list for a moment */
    }
    if (!is_certain || !still_counts(owner, slow_paths) || pool_heap(pool) != owner->number)
        return UNKNOWN;
    return is_found ? YES : NO;
}

/* Whether p is in a chain that waits in the heap's outbox. Inside a slow path of the heap the chain
 * may just be handed over: then the answer is no. */
static READS_RACES bool is_in_outbox(const struct heap *heap, const struct pool *pool,
                                     const void *p)
{
    unsigned number = outbox_number(p);
    const struct outbox_slot *slot = &heap->outbox[number];
    uint32_t slow_paths = count_slow_paths(heap);
    if (slow_paths % 2 != 0)
        return false;
    bool is_found = (heap->outbox_used >> number & 1) != 0 && slot->pool == pool &&
                    is_linked(pool, read_head(&slot->chain), p);
    return is_found && still_counts(heap, slow_paths);
}

/* Whether the heap has p from the starter, and has not given it out. */
static READS_RACES bool is_in_start(const struct heap *heap, const struct pool *pool, const void *p)
{
    const struct block_list *list = &heap->free[pool->size_class];
    uint32_t slow_paths = count_slow_paths(heap);
    if (slow_paths % 2 != 0 || !heap_is_starting(heap, pool->size_class))
        return false;
    const struct block *head = read_head(list);
    return is_linked(pool, head, p) && still_counts(heap, slow_paths) && read_head(list) == head;
}

/* ---- All of them ---- */

static bool is_in_any_heap(const struct pool *pool, const void *p)
{
    bool is_found = false, is_start = heap_state(map_heap(pool_heap(pool))) == HEAP_SHARED;
    uint32_t end = atomic_load_explicit(&map.heap_end, memory_order_acquire);
    for (uint32_t number = 1; number <= end && !is_found; number++) {
        const struct heap *heap = map_heap(number);
        enum heap_state state = heap_state(heap);
        if (is_start)
            is_found = (state == HEAP_OWNED || state == HEAP_PARKED) && is_in_start(heap, pool, p);
        else
            is_found = state == HEAP_OWNED && is_in_outbox(heap, pool, p);
    }
    return is_found;
}

/* Looks into all lists once. Under arena_lock no pool is released, and no memory of one goes, while
 * its blocks are read. */
static enum answer ask_once(const struct pool *pool, const void *p)
{
    lock_acquire(&arena_lock);
    enum answer answer = is_in_pool(pool, p);
    if (answer != YES && is_in_any_heap(pool, p))
        answer = YES;
    lock_release(&arena_lock);
    return answer;
}

/* It is rare that an owner changes the same list during so many walks. */
enum { ATTEMPTS = 100 };

bool proof_is_free(const struct pool *pool, const void *p)
{
    enum answer answer = UNKNOWN;
    if (thread_is_reentered())
        return false;
    for (unsigned n = 0; n < ATTEMPTS && answer == UNKNOWN; n++)
        answer = ask_once(pool, p);
    return answer == YES;
}
