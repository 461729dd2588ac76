/* misuse.c: finding out what a wrong pointer points to. Reads records only, and a block's first
 * word where the record says that there is a block. */
#include "misuse.h"

#include "arena.h"
#include "block.h"
#include "huge.h"
#include "map.h"

#include "base/report.h"

#include <string.h>

/* p is a freed block of `bytes` bytes. */
static _Noreturn void report_freed(const char *operation, const void *p, size_t bytes)
{
    if (strcmp(operation, "free") == 0)
        report_fatal_about(p, NULL, "double free of %p (%zu bytes)", p, bytes);
    report_fatal_about(p, NULL, "invalid %s of %p: the block of %zu bytes has been freed",
                       operation, p, bytes);
}

/* p points into a live block that starts earlier. */
static _Noreturn void report_inside(const char *operation, const void *p, uintptr_t start,
                                    size_t bytes)
{
    report_fatal_about((void *)start, NULL,
                       "invalid %s of %p: %zu bytes inside a block of %zu bytes at %p", operation,
                       p, (size_t)((uintptr_t)p - start), bytes, (void *)start);
}

static void report_in_pool(const char *operation, const void *p, const struct pool *pool)
{
    size_t bytes = pool_block_bytes(pool);
    uintptr_t start = pool->start;
    if (pool->magic == 0 || !pool_contains(pool, p))
        return; /* never a pool */
    uintptr_t block = start + ((uintptr_t)p - start) / bytes * bytes;
    bool exists = pool_has_block(pool, (void *)block);
    if (!exists)
        return;
    if (pool_state(pool) == POOL_NONE) {
        /* The pool is gone, so all its blocks were free; its record is kept until the slot is used
         * again. */
        if (block == (uintptr_t)p)
            report_freed(operation, p, bytes);
        return;
    }
    if (block != (uintptr_t)p)
        report_inside(operation, p, block, bytes);
    report_freed(operation, p, bytes);
}

static void report_in_arena(const char *operation, const void *p)
{
    uintptr_t start;
    size_t pages;
    bool retired;
    if (arena_find_run(p, &start, &pages, &retired)) {
        if (!retired)
            report_inside(operation, p, start, pages << os_page_shift);
        if (start == (uintptr_t)p)
            report_freed(operation, p, pages << os_page_shift);
    }
    report_in_pool(operation, p, map_pool(p));
    if (strcmp(operation, "free") == 0 && arena_was_used(p))
        report_fatal_about(p, NULL, "double free of %p (its pages are free)", p);
    report_fatal_about(p, NULL, "invalid %s of %p: no block starts there", operation, p);
}

void misuse_report(const char *operation, const void *p)
{
    size_t bytes;
    if (map_in_arena(p))
        report_in_arena(operation, p);
    uintptr_t start = huge_find(p, &bytes);
    if (start != 0)
        report_inside(operation, p, start, bytes);
    bytes = huge_freed_bytes(p);
    if (bytes != 0)
        report_freed(operation, p, bytes);
    report_fatal_about(p, NULL, "invalid %s of %p: not memory that molt gave out", operation, p);
}

void misuse_report_size(const char *operation, const void *p, size_t size, size_t block_bytes)
{
    report_fatal_about(p, NULL, "invalid %s of %p: %zu bytes said, the block has %zu", operation, p,
                       size, block_bytes);
}

void misuse_report_written(const void *block, size_t bytes)
{
    bool is_first = (uintptr_t)block == map_pool(block)->start;
    report_fatal_about(
        block, is_first ? NULL : (const char *)block - bytes,
        "write after free: the free block %p (%zu bytes) begins with %p, which is no link of "
        "molt's: it was written to, or the block before it overran",
        block, bytes, (void *)((const struct block *)block)->link);
}

void misuse_report_object(const char *operation, const void *p)
{
    report_fatal_about(p, NULL, "invalid %s of %p: it is an object, which molt_release frees",
                       operation, p);
}
