/* census.c: counting and numbering blocks, and finding those that are free. */
#include "census.h"

#include "alloc/arena.h"
#include "alloc/heap.h"
#include "alloc/hole.h"
#include "alloc/huge.h"
#include "alloc/registry.h"
#include "alloc/remote.h"
#include "alloc/thread.h" // thread_is_reentered
#include "base/sort.h"
#include "os/os.h"

/* ---- Locks, in the order of their ranks ---- */

static struct lock *const locks[] = {&registry_lock, &arena_lock, &map_lock, &huge_lock};
enum { LOCKS = sizeof locks / sizeof *locks };

bool census_lock(void)
{
    if (thread_is_reentered())
        return false;
    for (unsigned n = 0; n < LOCKS; n++)
        if (lock_is_mine(locks[n]))
            return false;
    for (unsigned n = 0; n < LOCKS; n++)
        lock_acquire(locks[n]);
    return true;
}

void census_unlock(void)
{
    for (unsigned n = LOCKS; n-- > 0;)
        lock_release(locks[n]);
}

/* ---- Free blocks ---- */

/* The number of the block that starts at p, a carved block of the pool; the census' number of
 * blocks if the pool had fewer when they were counted. */
static uint32_t number_in_pool(const struct census *census, const struct pool *pool, const void *p)
{
    uint32_t slot = (uint32_t)((pool->start - map.base) >> POOL_SHIFT);
    uint32_t index = (uint32_t)(((uintptr_t)p - pool->start) / pool_block_bytes(pool));
    uint32_t number = census->first[slot] + index;
    return number < census->first[slot + 1] ? number : census->blocks;
}

static void set_free(struct census *census, const struct pool *pool, const void *p)
{
    uint32_t number = number_in_pool(census, pool, p);
    if (number < census->blocks)
        census->flags[number] |= CENSUS_FREE;
}

/* The blocks of a list in the pool are free. */
static READS_RACES void set_list_free(struct census *census, const struct pool *pool,
                                      const struct block *block)
{
    for (unsigned n = 0; n < pool->capacity && block != NULL; n++) {
        if (!pool_contains(pool, block) || !pool_has_block(pool, block))
            return;
        set_free(census, pool, block);
        block = block_next(block);
    }
}

static READS_RACES void find_free_in_pool(struct census *census, const struct pool *pool)
{
    bool is_emptied = remote_is_emptied(pool), has_holes = pool_holes(pool) != 0;
    set_list_free(census, pool, block_list_first(pool->list));
    set_list_free(census, pool, remote_first(pool));
    for (unsigned n = 0; (is_emptied || has_holes) && n < pool_carved(pool); n++) {
        const void *block = (const void *)(pool->start + n * pool_block_bytes(pool));
        if (is_emptied || hole_has(pool, block))
            set_free(census, pool, block);
    }
}

static READS_RACES void find_free_in_heap(struct census *census, struct heap *heap)
{
    for (uint64_t used = heap->outbox_used; used != 0; used &= used - 1) {
        const struct outbox_slot *slot = &heap->outbox[__builtin_ctzll(used)];
        if (slot->pool != NULL && pool_state(slot->pool) != POOL_NONE)
            set_list_free(census, slot->pool, block_list_first(&slot->chain));
    }
    for (unsigned size_class = 0; size_class < CLASS_COUNT; size_class++) {
        const struct block *first = block_list_first(&heap->free[size_class]);
        const struct pool *pool = first != NULL ? map_pool_around(first) : NULL;
        if (pool != NULL && heap_is_starting(heap, size_class))
            set_list_free(census, pool, first);
    }
}

static void find_free(struct census *census)
{
    for (uint32_t slot = 0; slot < census->slots; slot++) {
        const struct pool *pool = map_pool((const void *)(map.base + ((size_t)slot << POOL_SHIFT)));
        if (census->first[slot] != census->first[slot + 1])
            find_free_in_pool(census, pool);
    }
    uint32_t heaps = atomic_load_explicit(&map.heap_end, memory_order_acquire);
    for (uint32_t number = 1; number <= heaps; number++) {
        enum heap_state state = heap_state(map_heap(number));
        if (state == HEAP_OWNED || state == HEAP_PARKED)
            find_free_in_heap(census, map_heap(number));
    }
}

/* ---- Numbering ---- */

static unsigned carved_in_slot(uint32_t slot)
{
    const struct pool *pool = map_pool((const void *)(map.base + ((size_t)slot << POOL_SHIFT)));
    return pool_state(pool) != POOL_NONE ? pool_carved(pool) : 0;
}

/* Calls `visit` for each live run. */
static void visit_runs(uint32_t arenas, void (*visit)(uintptr_t start, size_t bytes, void *context),
                       void *context)
{
    for (uint32_t number = 0; number < arenas; number++)
        for (unsigned page = 0; page < arena_pages(); page++) {
            uintptr_t start = arena_page_address(number, page);
            size_t pages = arena_run_pages((const void *)start);
            if (pages != 0)
                visit(start, pages << os_page_shift, context);
        }
}

static void count_large(uintptr_t start, size_t bytes, void *context)
{
    (void)start;
    (void)bytes;
    ++*(uint32_t *)context;
}

static uint32_t page_number(uintptr_t address)
{
    return (uint32_t)((address - map.base) >> os_page_shift);
}

static void add_run(uintptr_t start, size_t bytes, void *context)
{
    struct census *census = context;
    census->larges[census->runs++] = (struct census_large){start, bytes};
    for (uint32_t page = page_number(start); page < page_number(start + bytes); page++)
        census->run_by_page[page] = census->runs;
}

static void add_huge(uintptr_t start, size_t bytes, void *context)
{
    struct census *census = context;
    census->larges[census->runs + census->huges++] = (struct census_large){start, bytes};
}

static int compare_starts(const void *a, const void *b)
{
    const struct census_large *left = a, *right = b;
    return left->start < right->start ? -1 : left->start > right->start;
}

/* Maps the tables for so many blocks of pools and larger ones. */
static bool map_tables(struct census *census, uint64_t pool_blocks, uint32_t larges)
{
    size_t pages = (size_t)census->slots << (POOL_SHIFT - os_page_shift);
    size_t words = census->slots + 1 + pages + (census->slots + 1 + pages) % 2;
    if (pool_blocks + larges >= UINT32_MAX)
        return false;
    census->blocks = (uint32_t)pool_blocks + larges;
    census->mapped_bytes = os_round_to_pages(words * sizeof(uint32_t) +
                                             larges * sizeof(struct census_large) + census->blocks);
    census->first = os_map(census->mapped_bytes);
    if (census->first == NULL)
        return false;
    census->run_by_page = census->first + census->slots + 1;
    census->larges = (struct census_large *)(census->first + words);
    census->flags = (uint8_t *)(census->larges + larges);
    return true;
}

/* Numbers the blocks of pools; a pool that has grown since it was counted keeps the last of them
 * without a number. */
static void number_pools(struct census *census, uint32_t pool_blocks)
{
    uint32_t next = 0;
    for (uint32_t slot = 0; slot < census->slots; slot++) {
        uint32_t carved = carved_in_slot(slot);
        census->first[slot] = next;
        next += carved < pool_blocks - next ? carved : pool_blocks - next;
    }
    census->first[census->slots] = next;
    census->pool_blocks = next;
}

bool census_make(struct census *census)
{
    uint32_t arenas = map_arena_end(), larges = 0;
    uint64_t pool_blocks = 0;
    *census = (struct census){.slots = arenas * (uint32_t)ARENA_POOLS};
    for (uint32_t slot = 0; slot < census->slots; slot++)
        pool_blocks += carved_in_slot(slot);
    visit_runs(arenas, count_large, &larges);
    huge_visit(count_large, &larges);
    if (!map_tables(census, pool_blocks, larges))
        return false;
    number_pools(census, (uint32_t)pool_blocks);
    visit_runs(arenas, add_run, census);
    huge_visit(add_huge, census);
    sort(census->larges + census->runs, census->huges, sizeof *census->larges, compare_starts);
    census->blocks = census->pool_blocks + census->runs + census->huges;
    find_free(census);
    return true;
}

void census_free(struct census *census)
{
    if (census->first != NULL)
        os_unmap(census->first, census->mapped_bytes);
}

/* ---- Finding ---- */

static bool found_large(const struct census *census, uint32_t index, uintptr_t word,
                        struct census_block *found)
{
    const struct census_large *large = &census->larges[index];
    *found = (struct census_block){large->start, large->bytes, census->pool_blocks + index};
    return word - large->start < large->bytes;
}

static READS_RACES bool find_in_slot(const struct census *census, uint32_t slot, uintptr_t word,
                                     struct census_block *found)
{
    uint32_t first = census->first[slot], blocks = census->first[slot + 1] - first;
    uintptr_t start = map.base + ((uintptr_t)slot << POOL_SHIFT);
    size_t bytes = pool_block_bytes(map_pool((const void *)start));
    uint32_t index = bytes != 0 ? (uint32_t)((word - start) / bytes) : blocks;
    *found = (struct census_block){start + index * bytes, bytes, first + index};
    return index < blocks && (census->flags[first + index] & CENSUS_FREE) == 0;
}

static bool find_huge(const struct census *census, uintptr_t word, struct census_block *found)
{
    uint32_t first = 0, end = census->huges;
    while (first < end) {
        uint32_t middle = first + (end - first) / 2;
        if (census->larges[census->runs + middle].start <= word)
            first = middle + 1;
        else
            end = middle;
    }
    return first != 0 && found_large(census, census->runs + first - 1, word, found);
}

bool census_find(const struct census *census, uintptr_t word, struct census_block *found)
{
    uintptr_t offset = word - map.base;
    if (offset >= (uintptr_t)census->slots << POOL_SHIFT)
        return find_huge(census, word, found);
    uint32_t slot = (uint32_t)(offset >> POOL_SHIFT);
    if (census->first[slot] != census->first[slot + 1])
        return find_in_slot(census, slot, word, found);
    uint32_t run = census->run_by_page[offset >> os_page_shift];
    return run != 0 && found_large(census, run - 1, word, found);
}

/* The slot of the pool that has the block with that number: the last one that begins at or before
 * it. */
static uint32_t slot_of_number(const struct census *census, uint32_t number)
{
    uint32_t first = 0, end = census->slots;
    while (end - first > 1) {
        uint32_t middle = first + (end - first) / 2;
        if (census->first[middle] <= number)
            first = middle;
        else
            end = middle;
    }
    return first;
}

struct census_block census_block(const struct census *census, uint32_t number)
{
    if (number >= census->pool_blocks) {
        const struct census_large *large = &census->larges[number - census->pool_blocks];
        return (struct census_block){large->start, large->bytes, number};
    }
    uint32_t slot = slot_of_number(census, number);
    uintptr_t start = map.base + ((uintptr_t)slot << POOL_SHIFT);
    size_t bytes = pool_block_bytes(map_pool((const void *)start));
    return (struct census_block){start + (number - census->first[slot]) * bytes, bytes, number};
}
