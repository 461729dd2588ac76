/* realloc.c: resizing, in place where that can be. */
#include "huge.h"
#include "malloc.h"
#include "map.h"
#include "run.h"
#include "sample.h" // profile_hooks
#include "thread.h"
#include "watch.h"

#include "base/fork.h"
#include "base/lock.h"

#include <stdint.h>
#include <string.h>

/* The block resized without copying; NULL if that cannot be. */
static void *resize_in_place(void *block, size_t bytes, size_t size)
{
    fork_check();
    if (size <= BLOCK_MAX || bytes <= BLOCK_MAX || thread_is_reentered())
        return malloc_still_fits(bytes, size) ? block : NULL;
    if (map_in_arena(block))
        return size <= RUN_MAX && run_resize(block, size) ? block : NULL;
    if (size <= RUN_MAX && size <= bytes)
        return malloc_still_fits(bytes, size) ? block : NULL;
    void *resized = huge_resize(block, size);
    malloc_check_peak();
    return resized;
}

static void *keep_in_place(void *block, size_t bytes, size_t size)
{
    return size <= bytes ? block : NULL;
}

/* Has `resize` resize a block. While calls are watched that is to free a block which is or may be
 * recorded, and to allocate another. */
static void *resize_by(void *resize(void *block, size_t bytes, size_t size), void *block,
                       size_t bytes, size_t size)
{
    bool is_seen = watch_is_on(WATCH_TRACE) || (watch_is_on(WATCH_FREES) && bytes > BLOCK_MAX);
    if (LIKELY(!is_seen))
        return resize(block, bytes, size);
    profile_hooks.resizing(block);
    void *resized = resize(block, bytes, size);
    profile_hooks.resized(block, resized != NULL);
    if (resized != NULL)
        malloc_watch_new(resized, size, true);
    return resized;
}

/* The outcome of realloc when there is no memory to move the block to: a block that was to shrink
 * serves as it stands. */
static COLD void *not_moved(void *block, size_t bytes, size_t size)
{
    void *kept = resize_by(keep_in_place, block, bytes, size);
    if (kept != NULL)
        malloc_note_larger();
    return kept;
}

/* A huge block that realloc moves a smaller one to: it is likely to grow again. */
static void *alloc_to_grow(size_t size)
{
    if (size <= RUN_MAX || lock_is_mine(&huge_lock))
        return NULL;
    void *block = huge_alloc_to_grow(size);
    malloc_check_peak();
    if (UNLIKELY(watch_get() != 0) && block != NULL)
        malloc_watch_new(block, size, false);
    return block;
}

/* Serves blocks of other threads, runs and huge blocks. */
static NOINLINE void *resize_slow(void *block, size_t size)
{
    size_t bytes = malloc_block_bytes(block, "realloc");
    void *resized = NULL;
    if (size <= PTRDIFF_MAX)
        resized = resize_by(resize_in_place, block, bytes, size);
    if (resized != NULL)
        return resized;
    if (size > bytes)
        resized = alloc_to_grow(size);
    if (resized == NULL)
        resized = malloc_fast(size);
    if (resized == NULL)
        return not_moved(block, bytes, size);
    memcpy(resized, block, bytes < size ? bytes : size);
    free_fast(block);
    return resized;
}

void *malloc_resize(void *block, size_t size)
{
    struct pool *pool = pool_of_mine(block);
    if (UNLIKELY(pool == NULL))
        return resize_slow(block, size);
    size_t bytes = pool_block_bytes(pool);
    if (malloc_still_fits(bytes, size))
        return block;
    void *resized = malloc_fast(size);
    if (UNLIKELY(resized == NULL))
        return not_moved(block, bytes, size);
    memcpy(resized, block, bytes < size ? bytes : size);
    push(pool, block);
    return resized;
}
