/* hole.c: which pages may go, and what becomes of the blocks that touch them. */
#include "hole.h"

#include "arena.h" // arena_purge_in_slot
#include "limit.h"

#include "base/assert.h"

/* ---- Blocks and the pages that they touch, numbered from the pool's start ---- */

static unsigned first_block_on(const struct pool *pool, unsigned page)
{
    return (unsigned)(((size_t)page << os_page_shift) / pool_block_bytes(pool));
}

/* May be a block that the pool has no room for. */
static unsigned last_block_on(const struct pool *pool, unsigned page)
{
    return (unsigned)((((size_t)(page + 1) << os_page_shift) - 1) / pool_block_bytes(pool));
}

static struct block *block_at(const struct pool *pool, unsigned number)
{
    return (struct block *)(pool->start + number * pool_block_bytes(pool));
}

struct page_range {
    unsigned first, last; /* pages */
};

static struct page_range pages_of(const struct pool *pool, const void *block)
{
    size_t offset = (uintptr_t)block - pool->start;
    return (struct page_range){(unsigned)(offset >> os_page_shift),
                               (unsigned)((offset + pool_block_bytes(pool) - 1) >> os_page_shift)};
}

/* A bit for each page of the range. */
static unsigned bits_of(struct page_range range)
{
    return (2u << range.last) - (1u << range.first);
}

static bool touches(const struct pool *pool, const void *block, unsigned pages)
{
    return (bits_of(pages_of(pool, block)) & pages) != 0;
}

bool hole_has(const struct pool *pool, const void *p)
{
    unsigned holes = pool_holes(pool);
    return UNLIKELY(holes != 0) && touches(pool, p, holes);
}

unsigned hole_blocks(const struct pool *pool)
{
    unsigned holes = pool_holes(pool), count = 0, next = 0; /* the first block not yet counted */
    for (; holes != 0; holes &= holes - 1) {
        unsigned page = (unsigned)__builtin_ctz(holes);
        unsigned first = first_block_on(pool, page), last = last_block_on(pool, page);
        first = first > next ? first : next;
        last = last < pool->capacity ? last : pool->capacity - 1u;
        count += last + 1 - first;
        next = last + 1;
    }
    return count;
}

/* ---- Digging ---- */

/* The pages, from the first on, that only carved blocks touch. */
static unsigned whole_pages(const struct pool *pool)
{
    unsigned carved = pool_carved(pool);
    size_t bytes = carved * pool_block_bytes(pool);
    if (carved == pool->capacity)
        bytes = os_round_to_pages(bytes);
    return (unsigned)(bytes >> os_page_shift);
}

/* The smallest number of blocks that touch a page. */
static unsigned fewest_on_page(const struct pool *pool)
{
    unsigned fewest = (unsigned)(os_page_bytes() / pool_block_bytes(pool));
    return fewest > 0 ? fewest : 1;
}

/* The list leads all over the pool, to memory that is in no cache: so all of the pool is prefetched
 * at once. */
static void prefetch_blocks(const struct pool *pool)
{
    size_t step = pool_block_bytes(pool) < CACHE_LINE ? CACHE_LINE : pool_block_bytes(pool);
    size_t end = pool_carved(pool) * pool_block_bytes(pool);
    for (size_t at = 0; at < end; at += step)
        __builtin_prefetch((const void *)(pool->start + at));
}

/* How many blocks of the list touch each page. False if a word is no link, or leads out of the
 * pool: the program has written to a free block. */
static bool count_free(const struct pool *pool, unsigned free_on[POOL_PAGES_MAX])
{
    const struct block *block = block_list_first(pool->list), *last = NULL;
    for (unsigned n = 0; block != NULL; n++, block = block_next(block)) {
        if (n == pool->capacity || !pool_has_block(pool, block))
            return false;
        struct page_range range = pages_of(pool, block);
        for (unsigned page = range.first; page <= range.last; page++)
            free_on[page]++;
        last = block;
    }
    return last == NULL || block_is_last(last);
}

/* How many blocks of a page, `first` to `last`, are in the holes beside it: only the first and the
 * last block of a page touch other pages. */
static unsigned blocks_in_holes_beside(const struct pool *pool, unsigned first, unsigned last)
{
    unsigned count = hole_has(pool, block_at(pool, first)) ? 1 : 0;
    return count + (last > first && hole_has(pool, block_at(pool, last)) ? 1 : 0);
}

/* A bit for each page that may go. */
static unsigned pages_to_dig(const struct pool *pool)
{
    unsigned free_on[POOL_PAGES_MAX] = {0};
    unsigned holes = pool_holes(pool), due = 0;
    if (!count_free(pool, free_on))
        return 0;
    for (unsigned page = 0; page < whole_pages(pool); page++) {
        unsigned first = first_block_on(pool, page), last = last_block_on(pool, page);
        if (free_on[page] == 0 || (holes >> page & 1) != 0)
            continue;
        last = last < pool->capacity ? last : pool->capacity - 1u;
        if (free_on[page] + blocks_in_holes_beside(pool, first, last) == last + 1 - first)
            due |= 1u << page;
    }
    return due;
}

/* Puts `block` behind `last` in the list; either may be NULL. */
static void append_block(struct block_list *list, struct block *last, struct block *block)
{
    if (last != NULL)
        block_change_next(last, block);
    else
        block_list_set(list, block);
}

/* Takes the blocks that touch the pages off the list; the order of the others stays. */
static void leave_out(struct pool *pool, unsigned pages)
{
    struct block *last = NULL, *next;
    for (struct block *block = block_list_first(pool->list); block != NULL; block = next) {
        next = block_next(block);
        if (touches(pool, block, pages))
            continue;
        append_block(pool->list, last, block);
        last = block;
    }
    append_block(pool->list, last, NULL);
}

static void set_holes(struct pool *pool, unsigned holes)
{
    atomic_store_explicit(&pool->holes, (uint16_t)holes, memory_order_relaxed);
    pool_open(pool);
}

/* Links the blocks that are in holes now, but not when only the pages `rest` are holes; returns
 * them, and how many they are. */
static struct block *link_blocks(const struct pool *pool, unsigned rest, unsigned *count)
{
    unsigned holes = pool_holes(pool), gone = holes & ~rest;
    struct block_list list;
    block_list_set(&list, NULL);
    *count = 0;
    unsigned last = last_block_on(pool, 31u - (unsigned)__builtin_clz(gone));
    last = last < pool->capacity ? last : pool->capacity - 1u;
    for (unsigned n = last + 1, first = first_block_on(pool, (unsigned)__builtin_ctz(gone));
         n-- > first;) {
        struct block *block = block_at(pool, n);
        if (!touches(pool, block, gone) || touches(pool, block, rest))
            continue;
        block_list_push(&list, block);
        ++*count;
    }
    return block_list_first(&list);
}

/* The OS has refused the pages: their blocks return to the list. */
static void undo_dig(struct pool *pool, unsigned pages)
{
    unsigned rest = pool_holes(pool) & ~pages, count;
    struct block *last = link_blocks(pool, rest, &count);
    struct block *first = last;
    while (last != NULL && block_next(last) != NULL)
        last = block_next(last);
    if (last != NULL) {
        block_set_next(last, block_list_first(pool->list));
        block_list_set(pool->list, first);
    }
    set_holes(pool, rest);
}

unsigned hole_dig(struct pool *pool, unsigned free_blocks)
{
    if (pool_has_objects(pool) || free_blocks < fewest_on_page(pool))
        return 0;
    prefetch_blocks(pool);
    unsigned due = pages_to_dig(pool);
    if (due == 0)
        return 0;
    leave_out(pool, due);
    set_holes(pool, pool_holes(pool) | due);
    unsigned purged = arena_purge_in_slot(pool->start, due);
    if (purged != due)
        undo_dig(pool, due & ~purged);
    unsigned count = (unsigned)__builtin_popcount(purged);
    arena_note_gone((size_t)count << os_page_shift);
    return count;
}

/* ---- Filling ---- */

static void forget_bytes(unsigned pages)
{
    arena_note_back((size_t)__builtin_popcount(pages) << os_page_shift);
}

struct block *hole_fill(struct pool *pool, bool *zero)
{
    unsigned holes = pool_holes(pool), page = (unsigned)__builtin_ctz(holes), count;
    struct page_range range = pages_of(pool, block_at(pool, first_block_on(pool, page)));
    unsigned filled = holes & bits_of((struct page_range){page, range.last});
    if (!limit_admits((size_t)__builtin_popcount(filled) << os_page_shift))
        return NULL;
    struct block *first = link_blocks(pool, holes & ~filled, &count);
    DEBUG_ASSERT(count > 0);
    *zero = count == 1 && (bits_of(pages_of(pool, first)) & ~filled) == 0;
    set_holes(pool, holes & ~filled);
    forget_bytes(filled);
    return first;
}

unsigned hole_forget(struct pool *pool)
{
    unsigned holes = pool_holes(pool);
    if (holes != 0)
        forget_bytes(holes);
    atomic_store_explicit(&pool->holes, 0, memory_order_relaxed);
    return holes;
}
