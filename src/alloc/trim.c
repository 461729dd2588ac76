/* trim.c: molt_trim and malloc_trim. */
#include "trim.h"

#include "arena.h"
#include "claim.h"
#include "dig.h"
#include "heap.h"
#include "huge.h"
#include "init.h"
#include "limit.h"
#include "purge.h"
#include "reap.h"
#include "registry.h"
#include "remote.h"
#include "span.h" // span_set_counted
#include "thread.h"

#include "base/fork.h"

/* Gives empty pools back to the arenas: the caller's, and those of parked heaps. */
static void release_pools(void)
{
    struct heap *heap = thread_enter_existing();
    if (heap != NULL) {
        remote_flush(heap);
        run_cache_empty(&heap->runs);
        remote_collect(heap);
        heap_release_empty(heap);
        thread_leave(heap);
    }
    reap_all();
}

static size_t purged_pages(void)
{
    return __atomic_load_n(&arena_totals.purged_pages, __ATOMIC_RELAXED);
}

/* Returns pages of pools that are partly used. */
static void dig_own_pools(void)
{
    struct heap *heap = thread_enter_existing();
    size_t quota = SIZE_MAX;
    if (heap != NULL) {
        heap->dig_round = 0; /* a round that is under way may be for idle pools only */
        dig_holes(heap, false, &quota);
        thread_leave(heap);
    }
}

size_t trim(size_t keep_bytes)
{
    fork_check();
    if (thread_is_reentered())
        return 0;
    size_t before = purged_pages();
    release_pools();
    dig_own_pools();
    claim_tidy(UINT64_MAX);
    size_t returned = (purged_pages() - before) << os_page_shift;
    returned += keep_bytes == 0 ? huge_purge_all() : 0;
    returned += remote_purge_waiting(SIZE_MAX);
    return returned + purge_all(keep_bytes);
}

/* Returns the free pages of the arenas, and those of the caller's pools; the bytes returned. */
static size_t purge_pages(void)
{
    size_t before = purged_pages(), returned;
    dig_own_pools();
    returned = (purged_pages() - before) << os_page_shift;
    return returned + remote_purge_waiting(SIZE_MAX) + purge_all(0);
}

bool trim_for_retry(void)
{
    release_pools();
    bool any = huge_purge_all() > 0;
    if (limit_is_hard() && purge_pages() > 0)
        any = true;
    any = arena_drop_free() || any;
    if (any)
        limit_forget_refusal();
    return any;
}

void trim_to_address_limit(size_t bytes)
{
    size_t heaps, parked;
    span_set_counted();
    if (!init_done())
        return;
    fork_check();
    lock_acquire(&registry_lock); /* so that no thread adopts or reaps a parked heap meanwhile */
    registry_count(&heaps, &parked);
    arena_limit(bytes, heaps - parked <= 1);
    lock_release(&registry_lock);
}
