/* malloc.c: the slow paths of malloc and free.
 *
 * Every slow path first asks whether the process has forked, then enters the thread's heap. A
 * signal handler that interrupted its own thread's slow path must not enter the heap: it frees a
 * block as another thread does, and allocates huge blocks, unless it interrupted the making of one.
 */
#include "malloc.h"

#include "arena.h" // arena_lock
#include "hole.h"
#include "huge.h"
#include "init.h"
#include "limit.h"
#include "misuse.h"
#include "peak.h"
#include "perturb.h"
#include "proof.h"
#include "refill.h"
#include "registry.h" // registry_steal_this
#include "remote.h"
#include "run.h"
#include "sample.h"
#include "sampled.h"
#include "trim.h" // trim_for_retry
#include "watch.h"

#include "base/fork.h"
#include "base/options.h"
#include "os/os.h"

#include <errno.h>
#include <stdatomic.h>

COLD void malloc_tell_failure(size_t size)
{
    if (limit_tell(size) && watch_is_on(WATCH_TRACE | WATCH_SAMPLE))
        profile_hooks.failing(true);
}

COLD void *malloc_no_memory(void)
{
    if (watch_is_on(WATCH_TRACE | WATCH_SAMPLE))
        profile_hooks.failing(false);
    errno = ENOMEM;
    return NULL;
}

/* Set once a block was given that is much larger than its size: one that shrank while there was no
 * memory to move it to, or a huge block in place of a small one. From then on a size far below the
 * block's proves nothing (check_size). */
static _Atomic bool gave_larger;

COLD void malloc_note_larger(void)
{
    atomic_store_explicit(&gave_larger, true, memory_order_relaxed);
}

/* ---- malloc ---- */

/* Whether the caller is a signal handler whose thread holds a lock under which arena_lock must not
 * be waited for: arena_lock itself; huge_lock, since the handler of a thread that holds arena_lock
 * waits for huge_lock; map_lock, since a new arena takes that. */
static bool must_not_wait_for_arenas(void)
{
    return lock_is_mine(&arena_lock) || lock_is_mine(&huge_lock) || lock_is_mine(&map_lock);
}

void malloc_check_peak(void)
{
    if (LIKELY(!peak_is_due()))
        return;
    struct heap *heap = thread_enter_existing();
    peak_check(heap);
    if (heap != NULL)
        thread_leave(heap);
}

/* A block from a mapping of its own, or none when the caller is a signal handler that interrupted
 * the making of one. */
static void *alloc_huge(size_t size, size_t alignment, bool zero)
{
    if (lock_is_mine(&huge_lock))
        return NULL;
    void *block = huge_alloc(size, alignment, zero);
    malloc_check_peak();
    return block;
}

static void *alloc_run(size_t size, size_t alignment, bool zero)
{
    if (must_not_wait_for_arenas())
        return NULL;
    struct heap *heap = thread_enter();
    if (heap == NULL)
        return run_alloc(NULL, size, alignment, zero);
    void *run = run_alloc(&heap->runs, size, alignment, zero);
    peak_check(heap);
    thread_leave(heap);
    return run;
}

/* The block of a sampled allocation: one whose free will be seen; the given one is freed. Without
 * memory for it, or for what is to be recorded, the allocation is not sampled. */
static COLD void *sampled_in_place_of(void *block, unsigned size_class, size_t size)
{
    void *sampled = sampled_alloc(size_class, size, size_class_bytes(size_class), block);
    if (sampled == NULL)
        return block;
    free_fast(block);
    return sampled;
}

static void *alloc_in_pool(size_t size, size_t alignment, bool zero)
{
    struct heap *heap = thread_enter();
    if (heap == NULL) {
        malloc_note_larger();
        return alloc_huge(size, alignment, zero);
    }
    unsigned size_class = size_class_aligned(size, alignment);
    struct refill about = {0};
    struct block *block = pop(&heap->free[size_class]);
    if (block == NULL)
        block = refill_block(heap, size_class, &about);
    thread_leave(heap);
    if (block == NULL)
        return NULL;
    block->link = 0;
    if (UNLIKELY(about.is_sampled)) {
        block = sampled_in_place_of(block, size_class, size);
        about.is_zero = false;
    }
    if (zero && !about.is_zero)
        memset(block, 0, size);
    return block;
}

static void *try_alloc(size_t size, size_t alignment, bool zero)
{
    if (size <= BLOCK_MAX && alignment <= BLOCK_MAX)
        return alloc_in_pool(size, alignment, zero);
    void *block = NULL;
    if (size <= RUN_MAX && alignment <= RUN_MAX)
        block = alloc_run(size, alignment, zero);
    return block != NULL ? block : alloc_huge(size, alignment, zero);
}

/* Looks at a new block. Blocks of pools are sampled where they are made. */
COLD void malloc_watch_new(void *block, size_t size, bool zero)
{
    if (perturb_is_on() && !zero)
        perturb_new(block, size);
    bool is_traced = watch_is_on(WATCH_TRACE);
    if (!watch_is_on(WATCH_TRACE | WATCH_ALL_FREES) &&
        (!watch_is_on(WATCH_FREES) || map_pool_around(block) != NULL))
        return;
    size_t bytes = malloc_block_bytes(block, "malloc");
    if (is_traced || (watch_is_on(WATCH_SAMPLE) && bytes > BLOCK_MAX && sample_large(bytes)))
        profile_hooks.allocated(block, size, bytes, 0);
    else
        profile_hooks.given(block);
}

/* Serves any size at any alignment. */
static void *alloc(size_t size, size_t alignment, bool zero)
{
    if (UNLIKELY(size > PTRDIFF_MAX) || !init_done())
        return malloc_no_memory();
    fork_check();
    void *block = try_alloc(size, alignment, zero);
    if (UNLIKELY(block == NULL) && size < map.bytes && !thread_is_reentered() && trim_for_retry())
        block = try_alloc(size, alignment, zero);
    if (UNLIKELY(block == NULL)) {
        malloc_tell_failure(size);
        return malloc_no_memory();
    }
    if (UNLIKELY(watch_get() != 0))
        malloc_watch_new(block, size, zero);
    return block;
}

/* Sizes above TABLE_MAX find their list here; most of their calls end here. */
NOINLINE void *malloc_slow(size_t size)
{
    if (size > TABLE_MAX && size <= BLOCK_MAX && thread_self.small_limit != 0) {
        atomic_signal_fence(memory_order_acquire); /* as in pop_below */
        struct block *block = pop(&thread_self.heap->free[size_class_of(size)]);
        if (LIKELY(block != NULL)) {
            block->link = 0;
            return block;
        }
    }
    return alloc(size, 1, false);
}

NOINLINE void *calloc_slow(size_t size)
{
    return alloc(size, 1, true);
}

void *malloc_aligned(size_t alignment, size_t size)
{
    size_t rounded = aligned_size(alignment, size);
    if (LIKELY(rounded <= TABLE_MAX))
        return malloc_fast(rounded);
    return alloc(size, alignment, false);
}

size_t malloc_good_size(size_t size)
{
    if (size > PTRDIFF_MAX)
        return SIZE_MAX;
    return size <= BLOCK_MAX ? size_class_bytes(size_class_of(size)) : os_round_to_pages(size);
}

void malloc_set_perturb(int value)
{
    perturb_set(value);
    struct heap *heap = thread_enter_existing();
    if (heap != NULL)
        thread_leave(heap);
}

/* ---- free ---- */

/* Reports p if it is no live block of the pool. That p looks free is no proof (proof.h). */
static void check_live(const struct pool *pool, const void *p, const char *operation)
{
    if (UNLIKELY(!pool_has_block(pool, p) || remote_is_emptied(pool) || hole_has(pool, p)) ||
        (UNLIKELY(pool_block_looks_free(pool, p)) && proof_is_free(pool, p)))
        misuse_report(operation, p);
}

/* `caller`, here and below, is where free was called. */
static void free_to_pool(struct pool *pool, void *p, const void *caller)
{
    check_live(pool, p, "free");
    if (UNLIKELY(pool_has_objects(pool)))
        misuse_report_object("free", p);
    if (UNLIKELY(watch_get() != 0))
        sampled_watch_freed(pool, p, pool_block_bytes(pool), caller);
    struct heap *heap = thread_enter_by_free(map_heap(pool_heap(pool)));
    if (heap == NULL) {
        remote_free_now(pool, p);
        return;
    }
    if (pool_heap(pool) == heap->number || registry_steal_this(heap, pool))
        heap_free_slow(heap, pool, p);
    else
        remote_free(heap, pool, p);
    thread_leave(heap);
}

/* Leaves the slow path after `released` bytes went back to the arenas or the OS: much of that makes
 * a tick due. The heap may be NULL. */
static void leave_after_release(struct heap *heap, size_t released)
{
    if (heap == NULL)
        return;
    heap_note_released(heap, released);
    thread_leave(heap);
}

/* A signal handler that has interrupted its thread inside the arenas or the table of huge blocks
 * frees no run and no huge block: the memory is lost, but nothing breaks. */
static void free_run(void *p, const void *caller)
{
    if (must_not_wait_for_arenas())
        return;
    size_t bytes = run_retire(p);
    if (bytes == 0)
        misuse_report("free", p);
    if (UNLIKELY(watch_get() != 0))
        sampled_watch_freed(NULL, p, bytes, caller);
    struct heap *heap = thread_enter_existing();
    leave_after_release(heap, run_release(heap != NULL ? &heap->runs : NULL, p, bytes));
}

static void free_huge(void *p, const void *caller)
{
    if (lock_is_mine(&huge_lock))
        return;
    if (UNLIKELY(watch_get() != 0))
        sampled_watch_freed(NULL, p, 0, caller);
    size_t bytes = huge_free(p);
    if (bytes == 0)
        misuse_report("free", p);
    leave_after_release(thread_enter_existing(), bytes);
}

/* Frees an own block that lies behind the first hole of its pool, where the fast path is closed.
 * False: p is no such block. */
static bool free_behind_hole(void *p)
{
    struct pool *pool = map_pool(p);
    if (LIKELY(pool_holes(pool) == 0))
        return false;
    uint64_t offset = (uintptr_t)p - pool->origin + thread_self.cookie;
    if (offset * pool->magic >= pool_limit(pool, pool_carved(pool)) || hole_has(pool, p) ||
        block_is_marked(p))
        return false;
    push(pool, p);
    return true;
}

NOINLINE void free_slow(void *p)
{
    if (p == NULL || free_behind_hole(p))
        return;
    fork_check();
    const void *caller = __builtin_return_address(0); /* free comes here by a jump */
    struct pool *pool = map_pool_around(p);
    if (pool != NULL)
        free_to_pool(pool, p, caller);
    else if (map_in_arena(p) && run_bytes(p) != 0)
        free_run(p, caller);
    else
        free_huge(p, caller);
}

NOINLINE void free_drained(struct pool *pool)
{
    fork_check();
    struct heap *heap = thread_enter_existing();
    if (heap == NULL) {
        pool->left = 1; /* a signal handler: the pool's next free does the rest */
        if (thread_self.heap == NULL)
            return;
        heap_begin_slow(thread_self.heap);
        heap_end_slow(
            thread_self.heap); /* `left` was set, not counted down: so proof.h does not trust it */
        return;
    }
    heap_pool_drained(heap, pool);
    thread_leave(heap);
}

static void check_size(const char *operation, const void *p, size_t size, bool aligned)
{
    size_t bytes = malloc_block_bytes(p, operation);
    bool too_small = !malloc_still_fits(bytes, size) && malloc_good_size(size) != bytes &&
                     !aligned && !atomic_load_explicit(&gave_larger, memory_order_relaxed);
    if (size > bytes || too_small)
        misuse_report_size(operation, p, size, bytes);
}

void free_sized_as(const char *operation, void *p, size_t size, bool aligned)
{
    if (p != NULL && options.sized)
        check_size(operation, p, size, aligned);
    free_fast(p);
}

/* ---- Live blocks ---- */

size_t malloc_block_bytes(const void *p, const char *operation)
{
    if (p == NULL)
        return 0;
    const struct pool *pool = map_pool_around(p);
    if (LIKELY(pool != NULL)) {
        check_live(pool, p, operation);
        if (UNLIKELY(pool_has_objects(pool)) && strcmp(operation, "realloc") == 0)
            misuse_report_object(operation, p);
        return pool_block_bytes(pool);
    }
    size_t bytes = map_in_arena(p) ? run_bytes(p) : 0;
    if (bytes == 0)
        bytes = huge_bytes(p);
    if (bytes == 0)
        misuse_report(operation, p);
    return bytes;
}

bool malloc_has_block(const void *p)
{
    const struct pool *pool = map_pool_around(p);
    if (pool != NULL)
        return pool_has_block(pool, p);
    return (map_in_arena(p) && run_bytes(p) != 0) || huge_bytes(p) != 0;
}
