/* claim.c: claiming, and waiting for the end of a claim. */
#include "claim.h"

#include "dig.h"
#include "heap.h"
#include "map.h"
#include "purge.h" // PURGE_PORTION_LOCKED
#include "registry.h"
#include "remote.h"
#include "thread_self.h"

#include "base/fork.h"
#include "base/syscall.h"
#include "os/asleep.h"
#include "os/os.h" // os_fence_threads

#include <linux/futex.h>
#include <time.h>

void claim_allow(struct heap *heap)
{
    heap->thread_id = (int)SYSCALL(gettid);
    atomic_store_explicit(&heap->thread, &thread_self, memory_order_release);
}

/* ---- The owner's side ---- */

bool claim_wait(struct heap *heap)
{
    const struct timespec now_and_then = {.tv_nsec = 10000000}; /* the process may have forked */
    uint32_t claim;
    lock_check_order(&registry_lock); /* the claiming thread holds it */
    while ((claim = atomic_load_explicit(&heap->claim, memory_order_acquire)) != CLAIM_NONE) {
        SYSCALL(futex, &heap->claim, FUTEX_WAIT_PRIVATE, claim, &now_and_then, NULL, 0);
        fork_check();
    }
    return atomic_load_explicit(&heap->state, memory_order_relaxed) != HEAP_DEAD;
}

/* ---- The claiming thread's side, under registry_lock ---- */

static void set_claim(struct heap *heap, uint32_t claim)
{
    atomic_store_explicit(&heap->claim, claim, memory_order_release);
}

static void end_claim(struct heap *heap)
{
    set_claim(heap, CLAIM_NONE);
    SYSCALL(futex, &heap->claim, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

/* `outbox` stays: a NULL there would tell the heap's thread that it is a signal handler inside a
 * slow path. */
static void close_fast_paths(struct heap *heap, struct thread *owner)
{
    __atomic_store_n(&owner->small_limit, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&owner->cookie, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&owner->operator_limit, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&owner->operator_cookie, 0, __ATOMIC_RELAXED);
    remote_close_outbox(heap);
}

static bool are_closed(const struct heap *heap, const struct thread *owner)
{
    bool closed = owner->small_limit == 0 && owner->cookie == 0 && owner->operator_limit == 0 &&
                  owner->operator_cookie == 0 && owner->outbox != NULL && owner->heap == heap;
    for (uint64_t used = heap->outbox_used; used != 0; used &= used - 1)
        closed = closed && heap->outbox[__builtin_ctzll(used)].limit == 0;
    return closed;
}

/* Threads that are awake are told apart first, so that their fast paths stay open. */
static bool try_claim(struct heap *heap)
{
    struct thread *owner = atomic_load_explicit(&heap->thread, memory_order_acquire);
    if (owner == NULL || heap_is_busy(heap) || !asleep_in_call(heap->thread_id))
        return false;
    set_claim(heap, CLAIM_ASKED);
    close_fast_paths(heap, owner);
    bool is_mine = os_fence_threads() && asleep_in_call(heap->thread_id) && os_fence_threads() &&
                   !heap_is_busy(heap) && are_closed(heap, owner) && !heap->has_objects;
    if (is_mine)
        set_claim(heap, CLAIM_TAKEN);
    else
        end_claim(heap);
    return is_mine;
}

/* Gives back what the heap holds free, as its own thread would. Whether nothing is left to do. */
static bool tidy(struct heap *heap)
{
    size_t quota = PURGE_PORTION_LOCKED;
    heap_begin_slow(heap);
    remote_flush(heap);
    run_cache_empty(&heap->runs);
    remote_collect(heap);
    heap_release_empty(heap);
    bool is_done = dig_holes(heap, false, &quota);
    heap_end_slow(heap);
    heap->tidied = is_done ? heap->slow_paths : 0;
    return is_done;
}

/* Whether the heap may hold something free, as far as another thread can tell. */
static bool is_due(const struct heap *heap, uint64_t before_ms)
{
    return atomic_load_explicit(&heap->state, memory_order_acquire) == HEAP_OWNED &&
           heap != thread_self.heap && !heap->has_objects && heap->ticked_ms <= before_ms &&
           (heap->tidied != heap->slow_paths || remote_waits(heap));
}

/* Does one portion of work on the heap, so that the lock is not held for long. Whether another
 * portion may follow. */
static bool tidy_portion(struct heap *heap, uint64_t before_ms)
{
    bool goes_on = false;
    lock_acquire(&registry_lock);
    if (is_due(heap, before_ms) && try_claim(heap)) {
        goes_on = !tidy(heap);
        end_claim(heap);
    }
    lock_release(&registry_lock);
    return goes_on;
}

void claim_tidy(uint64_t before_ms)
{
    if (asleep_handlers_nest() || !os_fence_threads())
        return;
    uint32_t end = atomic_load_explicit(&map.heap_end, memory_order_acquire);
    for (uint32_t number = 1; number <= end; number++)
        while (tidy_portion(map_heap(number), before_ms))
            continue;
}
