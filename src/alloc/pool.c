/* pool.c: making, carving and counting. */
#include "pool.h"

void pool_init(struct pool *pool, uintptr_t start, unsigned size_class, unsigned heap,
               unsigned clean_page)
{
    size_t bytes = size_class_bytes(size_class);
    bool power_of_two = (bytes & (bytes - 1)) == 0;
    pool->start = start;
    pool_set_heap(pool, heap);
    pool->magic = UINT64_MAX / bytes + (power_of_two ? 2 : 1); /* floor(2^64 / bytes) + 1 */
    pool->list = &pool->own;
    block_list_set(&pool->own, NULL);
    pool->left = 0;
    atomic_store_explicit(&pool->carved, 0, memory_order_relaxed);
    pool->capacity = (uint16_t)(POOL_BYTES / bytes);
    pool->size_class = (uint8_t)size_class;
    pool->next = pool->prev = 0;
    pool->clean_page = (uint8_t)clean_page;
    pool->bare_page = POOL_PAGES_MAX;
    pool->block_eighths = (uint16_t)(bytes / 8);
    atomic_store_explicit(&pool->holes, 0, memory_order_relaxed);
    pool->gc_table = NULL;
    pool->shared_counts = NULL;
    pool->dig_round = pool->dig_state = 0;
    pool_close(pool);
}

void pool_clear(struct pool *pool)
{
    pool_close(pool);
    pool_set_state(pool, POOL_NONE);
}

/* How many blocks to carve: up to the end of the page in which the next one ends. */
static unsigned carve_count(const struct pool *pool, size_t bytes)
{
    unsigned carved = pool_carved(pool);
    size_t end = os_round_to_pages((carved + 1) * bytes);
    size_t count = end / bytes - carved;
    size_t room = pool->capacity - carved;
    return (unsigned)(count < room ? count : room);
}

void pool_populate_ahead(struct pool *pool)
{
    pool->bare_page = pool->clean_page;
}

/* Has the kernel put memory behind the pages up to `end`, which are about to be used, and behind
 * some more. */
static void populate_pages(struct pool *pool, unsigned end)
{
    unsigned first = pool->bare_page, last = (unsigned)(POOL_BYTES >> os_page_shift);
    if (end <= first)
        return;
    if (end < first + POPULATE_PAGES)
        end = first + POPULATE_PAGES;
    if (end > last)
        end = last;
    os_populate((void *)(pool->start + ((size_t)first << os_page_shift)), (size_t)(end - first)
                                                                              << os_page_shift);
    pool->bare_page = (uint8_t)end;
}

/* Carves the next `count` blocks, as a list. */
static struct block *carve_blocks(struct pool *pool, unsigned count)
{
    size_t bytes = pool_block_bytes(pool);
    unsigned carved = pool_carved(pool);
    uintptr_t first = pool->start + carved * bytes;
    uintptr_t last = first + (count - 1) * bytes;
    for (uintptr_t at = first; at < last; at += bytes)
        block_set_next((struct block *)at, (const struct block *)(at + bytes));
    block_set_next((struct block *)last, NULL);
    atomic_store_explicit(&pool->carved, (uint16_t)(carved + count), memory_order_relaxed);
    pool_open(pool);
    return (struct block *)first;
}

struct block *pool_carve(struct pool *pool, bool *zero)
{
    size_t bytes = pool_block_bytes(pool);
    unsigned carved = pool_carved(pool);
    unsigned count = carve_count(pool, bytes);
    populate_pages(pool, (unsigned)(os_round_to_pages((carved + count) * bytes) >> os_page_shift));
    *zero = count == 1 && (carved * bytes) >> os_page_shift >= pool->clean_page;
    return carve_blocks(pool, count);
}

struct block *pool_carve_live(struct pool *pool, unsigned count)
{
    pool->left += count;
    return carve_blocks(pool, count);
}

unsigned pool_count_list(const struct pool *pool, const struct block *list)
{
    unsigned count = 0;
    while (list != NULL && count < pool->capacity && pool_contains(pool, list)) {
        count++;
        list = block_next(list);
    }
    return count;
}
