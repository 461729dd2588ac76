/* registry.c: parking, adopting, and pools that change hands. */
#include "registry.h"

#include "heap.h"
#include "map.h"
#include "remote.h"
#include "thread_self.h"

#include "base/fork.h"
#include "base/syscall.h"
#include "os/os.h" // os_now_ms

struct lock registry_lock = LOCK_INIT(RANK_REGISTRY);

/* The queue of parked heaps: numbers, linked by next_parked and prev_parked. Both are 0 when it is
 * empty. */
static uint32_t parked_first, parked_last;

static void set_heap_state(struct heap *heap, enum heap_state state)
{
    atomic_store_explicit(&heap->state, (uint8_t)state, memory_order_release);
}

static void add_parked(struct heap *heap)
{
    heap_begin_slow(heap);
    atomic_store_explicit(&heap->thread, NULL, memory_order_relaxed); /* cannot be claimed */
    heap->next_parked = 0;
    heap->prev_parked = parked_last;
    set_heap_state(heap, HEAP_PARKED);
    if (parked_last != 0)
        map_heap(parked_last)->next_parked = heap->number;
    else
        parked_first = heap->number;
    parked_last = heap->number;
    heap_end_slow(heap);
}

static void take_parked(struct heap *heap)
{
    heap_begin_slow(heap);
    if (heap->prev_parked != 0)
        map_heap(heap->prev_parked)->next_parked = heap->next_parked;
    else
        parked_first = heap->next_parked;
    if (heap->next_parked != 0)
        map_heap(heap->next_parked)->prev_parked = heap->prev_parked;
    else
        parked_last = heap->prev_parked;
    heap->is_reaped = false;
    set_heap_state(heap, HEAP_OWNED);
}

struct heap *registry_new_heap(enum heap_state state)
{
    uint32_t number;
    struct heap *heap = map_add_heap(&number);
    if (heap == NULL)
        return NULL;
    heap_begin_slow(heap);
    heap_init(heap, number);
    set_heap_state(heap, state);
    return heap;
}

struct heap *registry_adopt(void)
{
    lock_acquire(&registry_lock);
    struct heap *heap;
    if (parked_first != 0) {
        heap = map_heap(parked_first);
        take_parked(heap);
    } else {
        heap = registry_new_heap(HEAP_OWNED);
    }
    lock_release(&registry_lock);
    return heap;
}

bool registry_adopt_this(struct heap *heap)
{
    if (heap_state(heap) != HEAP_PARKED)
        return false;
    lock_acquire(&registry_lock);
    bool is_parked = heap_state(heap) == HEAP_PARKED;
    if (is_parked)
        take_parked(heap);
    lock_release(&registry_lock);
    return is_parked;
}

bool registry_has_parked(void)
{
    return __atomic_load_n(&parked_first, __ATOMIC_RELAXED) != 0;
}

/* ---- Pools of parked heaps ---- */

#define STOLEN_FROM 4u /* parked heaps that are searched: the lock is held meanwhile */

struct pool *registry_steal(const struct heap *to, unsigned size_class)
{
    struct pool *pool = NULL;
    if (!registry_has_parked())
        return NULL;
    lock_acquire(&registry_lock);
    uint32_t number = parked_first;
    for (unsigned i = 0; i < STOLEN_FROM && number != 0 && pool == NULL; i++) {
        struct heap *heap = map_heap(number);
        heap_begin_slow(heap);
        remote_collect(heap);
        pool = heap_give_pool(heap, to, size_class);
        heap_end_slow(heap);
        number = heap->next_parked;
    }
    lock_release(&registry_lock);
    return pool;
}

bool registry_steal_this(struct heap *to, struct pool *pool)
{
    struct heap *owner = map_heap(pool_heap(pool));
    if (to->active[pool->size_class] == 0 || heap_state(owner) != HEAP_PARKED ||
        !lock_try(&registry_lock))
        return false;
    bool stolen = heap_state(owner) == HEAP_PARKED && pool_heap(pool) == owner->number;
    if (stolen) {
        heap_begin_slow(owner);
        heap_move_pool(owner, to, pool);
        heap_end_slow(owner);
    }
    lock_release(&registry_lock);
    return stolen;
}

void registry_park(struct heap *heap)
{
    heap_begin_slow(heap);
    remote_flush(heap);
    remote_collect(heap);
    run_cache_empty(&heap->runs);
    __atomic_store_n(&heap->ticked_ms, os_now_ms(), __ATOMIC_RELAXED);
    lock_acquire(&registry_lock);
    add_parked(heap);
    lock_release(&registry_lock);
}

/* Makes the next free of a block of the heap's ACTIVE pools take a slow path. The heap's own thread
 * may change these pools at the same time: if one belongs to another heap by now, its next free
 * just opens it again. */
static READS_RACES void call_heap(const struct heap *heap)
{
    for (unsigned size_class = 0; size_class < CLASS_COUNT; size_class++) {
        struct pool *pool = map_pool_by_number(heap->active[size_class]);
        if (pool != NULL)
            pool_close(pool);
    }
}

void registry_call_all(void)
{
    lock_acquire(&registry_lock);
    for (uint32_t number = 1; number <= map.heap_end; number++) {
        struct heap *heap = map_heap(number);
        if (heap_state(heap) != HEAP_OWNED)
            continue;
        call_heap(heap);
        remote_close_outbox(heap);
    }
    lock_release(&registry_lock);
}

#define QUIET_MS 20u
#define CALLED_AT_ONCE 16u

void registry_call_quiet(const struct heap *caller, uint64_t now_ms)
{
    static uint32_t cursor;
    static uint64_t called_ms;
    if (!lock_try(&registry_lock))
        return;
    bool is_due = now_ms - called_ms >= QUIET_MS;
    for (unsigned i = 0; is_due && i < CALLED_AT_ONCE && i < map.heap_end; i++) {
        cursor = cursor % map.heap_end + 1;
        struct heap *heap = map_heap(cursor);
        uint64_t ticked_ms = __atomic_load_n(&heap->ticked_ms, __ATOMIC_RELAXED);
        if (heap == caller || heap_state(heap) != HEAP_OWNED || now_ms - ticked_ms < QUIET_MS ||
            heap->called_ms == ticked_ms + 1)
            continue;
        call_heap(heap);
        heap->called_ms = ticked_ms + 1; /* once until it ticks */
    }
    called_ms = is_due ? now_ms : called_ms;
    lock_release(&registry_lock);
}

/* If a thread that is gone had claimed the heap of the thread that forked, this heap is dead, and
 * the thread adopts another. */
static void repair_claim(struct thread *survivor)
{
    struct heap *heap = survivor->heap;
    if (heap == NULL)
        return;
    uint32_t claim = atomic_exchange_explicit(&heap->claim, CLAIM_NONE, memory_order_relaxed);
    heap->thread_id = (int)SYSCALL(getpid); /* its number in the child */
    if (claim != CLAIM_TAKEN || !heap_is_busy(heap))
        return;
    *survivor = (struct thread){0};
    set_heap_state(heap, HEAP_DEAD);
}

void registry_repair(void)
{
    /* A signal handler has forked that interrupted this thread under the lock: in the child the
     * thread goes on with its change. */
    if (lock_is_mine(&registry_lock))
        return;
    struct thread *survivor = fork_survivors(&thread_self);
    repair_claim(survivor);
    parked_first = parked_last = 0;
    for (uint32_t number = 1; number <= map.heap_end; number++) {
        struct heap *heap = map_heap(number);
        if (heap == survivor->heap || heap == thread_self.heap || heap_state(heap) == HEAP_NONE ||
            heap_state(heap) == HEAP_DEAD)
            continue;
        atomic_store_explicit(&heap->claim, CLAIM_NONE, memory_order_relaxed);
        if (heap_is_busy(heap))
            set_heap_state(heap, HEAP_DEAD);
        else if (heap_state(heap) != HEAP_SHARED)
            add_parked(heap);
    }
}

void registry_count(size_t *heaps, size_t *parked_heaps)
{
    *heaps = *parked_heaps = 0;
    for (uint32_t number = 1; number <= map.heap_end; number++) {
        enum heap_state state = heap_state(map_heap(number));
        *heaps += state == HEAP_OWNED || state == HEAP_PARKED;
        *parked_heaps += state == HEAP_PARKED;
    }
}
