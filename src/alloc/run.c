/* run.c: the cache, and runs in bytes, which arena.h has in pages. */
#include "run.h"

#include "arena.h"

#include "os/os.h"

#include <string.h>

/* ---- The cache ---- */

static uintptr_t remove_cached(struct run_cache *cache, unsigned place)
{
    uintptr_t start = cache->runs[place].start;
    cache->pages -= cache->runs[place].pages;
    cache->count--;
    memmove(&cache->runs[place], &cache->runs[place + 1],
            (cache->count - place) * sizeof cache->runs[0]);
    return start;
}

/* The newest cached run of the size, or 0. */
static uintptr_t take_cached(struct run_cache *cache, size_t pages, size_t alignment)
{
    for (unsigned place = cache->count; place-- > 0;)
        if (cache->runs[place].pages == pages && cache->runs[place].start % alignment == 0)
            return remove_cached(cache, place);
    return 0;
}

static void release_oldest(struct run_cache *cache)
{
    arena_release_run(remove_cached(cache, 0));
}

/* Keeps a run; the oldest ones make room for it. Returns how many pages these had. */
static size_t keep_cached(struct run_cache *cache, uintptr_t start, size_t pages)
{
    size_t before = cache->pages;
    while (cache->count == RUN_CACHE_SLOTS ||
           (cache->pages + pages) << os_page_shift > RUN_CACHE_BYTES)
        release_oldest(cache);
    size_t released = before - cache->pages;
    cache->runs[cache->count].start = start;
    cache->runs[cache->count].pages = pages;
    cache->count++;
    cache->pages += pages;
    return released;
}

void run_cache_empty(struct run_cache *cache)
{
    while (cache->count > 0)
        release_oldest(cache);
}

/* ---- Runs ---- */

void *run_alloc(struct run_cache *cache, size_t size, size_t alignment, bool zero)
{
    size_t page = os_page_bytes();
    size_t bytes = os_round_to_pages(size == 0 ? 1 : size), pages = bytes >> os_page_shift;
    if (alignment < page)
        alignment = page;
    uintptr_t start = cache != NULL ? take_cached(cache, pages, alignment) : 0;
    if (start == 0)
        return (void *)arena_take_run(pages, alignment, zero);
    arena_reuse_run(start, pages);
    return zero ? memset((void *)start, 0, bytes) : (void *)start;
}

size_t run_bytes(const void *p)
{
    return arena_run_pages(p) << os_page_shift;
}

size_t run_retire(void *p)
{
    return arena_retire_run((uintptr_t)p) << os_page_shift;
}

size_t run_release(struct run_cache *cache, void *run, size_t bytes)
{
    uintptr_t start = (uintptr_t)run;
    if (cache != NULL && bytes <= RUN_CACHE_BYTES)
        return keep_cached(cache, start, bytes >> os_page_shift) << os_page_shift;
    arena_release_run(start);
    return bytes;
}

bool run_resize(void *run, size_t size)
{
    return arena_resize_run((uintptr_t)run, os_round_to_pages(size) >> os_page_shift);
}
