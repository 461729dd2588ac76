/* reach.c: the stack of blocks to be scanned, and the three passes. */
#include "reach.h"

#include "alloc/pool.h" // pool_has_objects
#include "base/sort.h"
#include "os/os.h"

/* Flags of a block's number. */
enum {
    SEEN = CENSUS_USER,            /* reachable */
    SEEN_START = CENSUS_USER << 1, /* … by a word that points to its start */
    WAITS = CENSUS_USER << 2,      /* to be scanned; the stack had no room */
    REFERRED = CENSUS_USER << 3,   /* a leaked block, or a ring, leads to it */
    COVERED = CENSUS_USER << 4,    /* found on the way from a direct leak, … */
    CONFIRMED = CENSUS_USER << 5,  /* … and again */
    HAS_FRONT = CENSUS_USER << 6   /* of a large object */
};

#define STACK_ENTRIES ((size_t)64 << 10)
#define COPY_BYTES ((size_t)64 << 10)

static size_t memory_bytes(void)
{
    return os_round_to_pages(STACK_ENTRIES * sizeof(uintptr_t) + COPY_BYTES);
}

/* ---- What the library has in front of large objects ---- */

struct front {
    uintptr_t block;
    size_t bytes;
};

static void count_front(uintptr_t block, size_t bytes, void *context)
{
    (void)block;
    (void)bytes;
    ++*(size_t *)context;
}

static void add_front(uintptr_t block, size_t bytes, void *context)
{
    struct reach *reach = context;
    struct census_block found;
    if (!census_find(&reach->census, block, &found) || found.start != block)
        return;
    reach->fronts[reach->front_count++] = (struct front){block, bytes};
    reach->census.flags[found.number] |= HAS_FRONT;
}

static int compare_fronts(const void *a, const void *b)
{
    const struct front *left = a, *right = b;
    return left->block < right->block ? -1 : left->block > right->block;
}

static bool note_fronts(struct reach *reach)
{
    size_t count = 0;
    leak_hooks.each_large(count_front, &count);
    reach->front_bytes = os_round_to_pages(count * sizeof(struct front) + 1);
    reach->fronts = os_map(reach->front_bytes);
    if (reach->fronts == NULL)
        return false;
    leak_hooks.each_large(add_front, reach);
    sort(reach->fronts, reach->front_count, sizeof *reach->fronts, compare_fronts);
    return true;
}

/* How many bytes of the block are the library's. */
static size_t front_of(const struct reach *reach, const struct census_block *block)
{
    size_t first = 0, end = reach->front_count;
    if ((reach->census.flags[block->number] & HAS_FRONT) == 0)
        return 0;
    while (end - first > 1) {
        size_t middle = first + (end - first) / 2;
        if (reach->fronts[middle].block <= block->start)
            first = middle;
        else
            end = middle;
    }
    return reach->fronts[first].bytes;
}

/* ---- Beginning and end ---- */

bool reach_begin(struct reach *reach)
{
    *reach = (struct reach){.pass = REACH_MARK};
    if (!census_make(&reach->census) || !note_fronts(reach))
        return false;
    reach->waiting = os_map(memory_bytes());
    reach->copy = (char *)(reach->waiting + STACK_ENTRIES);
    return reach->waiting != NULL;
}

void reach_end(struct reach *reach)
{
    if (reach->waiting != NULL)
        os_unmap(reach->waiting, memory_bytes());
    if (reach->fronts != NULL)
        os_unmap(reach->fronts, reach->front_bytes);
    census_free(&reach->census);
}

/* ---- Words ---- */

static void push(struct reach *reach, const struct census_block *block)
{
    if (reach->depth < STACK_ENTRIES) {
        reach->waiting[reach->depth++] = block->start;
        return;
    }
    reach->census.flags[block->number] |= WAITS;
    reach->has_overflown = true;
}

static void mark(struct reach *reach, const struct census_block *block, bool is_start)
{
    uint8_t *flags = &reach->census.flags[block->number];
    bool is_new = (*flags & SEEN) == 0;
    *flags |= (uint8_t)(is_start ? SEEN | SEEN_START : SEEN);
    if (is_new)
        push(reach, block);
}

static void cover(struct reach *reach, const struct census_block *block)
{
    uint8_t *flags = &reach->census.flags[block->number];
    if ((*flags & SEEN) != 0 || block->number == reach->leader)
        return;
    *flags |= REFERRED;
    if ((*flags & reach->covers) == 0)
        push(reach, block);
    *flags |= reach->covers;
}

static void visit_word(uintptr_t word, void *context)
{
    struct reach *reach = context;
    struct census_block found;
    if (!census_find(&reach->census, word, &found))
        return;
    uint8_t *flags = &reach->census.flags[found.number];
    size_t front = front_of(reach, &found);
    if (word - found.start < front)
        return;
    if (reach->pass == REACH_MARK)
        mark(reach, &found, word == found.start + front);
    else if (reach->pass == REACH_COVER)
        cover(reach, &found);
    else if (found.number != reach->from && (*flags & SEEN) == 0)
        *flags |= REFERRED;
}

/* ThreadSanitizer and AddressSanitizer are not to watch: the words may be anybody's. */
static __attribute__((no_sanitize("thread", "address"), noinline)) void visit_words(
    struct reach *reach, const uintptr_t *words, size_t count)
{
    for (size_t n = 0; n < count; n++)
        visit_word(words[n], reach);
}

/* Visits the words of memory that may not be readable everywhere, by a copy. */
static void visit_range(struct reach *reach, uintptr_t start, uintptr_t end)
{
    for (uintptr_t at = start; at < end;) {
        size_t wanted = end - at < COPY_BYTES ? end - at : COPY_BYTES;
        size_t got = os_copy(reach->copy, (const void *)at, wanted);
        visit_words(reach, (const uintptr_t *)(void *)reach->copy, got / sizeof(uintptr_t));
        at += got;
        if (got < wanted)
            at = (at | (os_page_bytes() - 1)) + 1;
    }
}

/* ---- Blocks ---- */

/* A program may have made whole pages of a block unreadable. */
static void scan_block(struct reach *reach, const struct census_block *block)
{
    size_t front = front_of(reach, block);
    uintptr_t start = block->start + front, end = block->start + block->bytes;
    const struct pool *pool = census_pool(&reach->census, block->number, block->start);
    reach->from = block->number;
    if (block->bytes < os_page_bytes())
        visit_words(reach, (const uintptr_t *)start, (end - start) / sizeof(uintptr_t));
    else
        visit_range(reach, start, end);
    if (front != 0 || (pool != NULL && pool_has_objects(pool)))
        leak_hooks.each_reference((void *)start, visit_word, reach);
}

static void scan_number(struct reach *reach, uint32_t number)
{
    struct census_block block = census_block(&reach->census, number);
    scan_block(reach, &block);
}

static void scan_stack(struct reach *reach)
{
    struct census_block block;
    while (reach->depth > 0)
        if (census_find(&reach->census, reach->waiting[--reach->depth], &block))
            scan_block(reach, &block);
}

/* Scans all blocks that wait, and those that they lead to. */
static void scan_waiting(struct reach *reach)
{
    scan_stack(reach);
    while (reach->has_overflown) {
        reach->has_overflown = false;
        for (uint32_t number = 0; number < reach->census.blocks; number++) {
            if ((reach->census.flags[number] & WAITS) == 0)
                continue;
            reach->census.flags[number] &= (uint8_t)~WAITS;
            scan_number(reach, number);
            scan_stack(reach);
        }
    }
}

/* ---- Passes ---- */

void reach_from_range(struct reach *reach, uintptr_t start, uintptr_t end)
{
    visit_range(reach, (start + 7) & ~(uintptr_t)7, end & ~(uintptr_t)7);
    scan_waiting(reach);
}

void reach_from_word(struct reach *reach, uintptr_t word)
{
    visit_word(word, reach);
    scan_waiting(reach);
}

static bool is_leaked(const struct reach *reach, uint32_t number)
{
    return (reach->census.flags[number] & (CENSUS_FREE | SEEN)) == 0;
}

static bool is_direct(const struct reach *reach, uint32_t number)
{
    return is_leaked(reach, number) && (reach->census.flags[number] & REFERRED) == 0;
}

static void cover_from(struct reach *reach, uint32_t number)
{
    reach->leader = number;
    scan_number(reach, number);
    scan_waiting(reach);
}

/* Blocks that no leaked block leads to are direct, and all that they lead to is covered. */
static void deduce_direct(struct reach *reach)
{
    reach->pass = REACH_REFER;
    for (uint32_t number = 0; number < reach->census.blocks; number++)
        if (is_leaked(reach, number))
            scan_number(reach, number);
    reach->pass = REACH_COVER;
    reach->covers = COVERED;
    for (uint32_t number = 0; number < reach->census.blocks; number++)
        if (is_direct(reach, number))
            cover_from(reach, number);
}

/* What is left are rings, and what they lead to. The first block that is not covered counts as
 * direct, and covers what it leads to. A later one may turn out to lead to an earlier one, which
 * does not lead back: so they are gone through once more, from the last to the first. */
static void deduce_rings(struct reach *reach)
{
    for (uint32_t number = 0; number < reach->census.blocks; number++) {
        uint8_t *flags = &reach->census.flags[number];
        if (!is_leaked(reach, number) || (*flags & (REFERRED | COVERED)) != REFERRED)
            continue;
        *flags &= (uint8_t)~REFERRED;
        cover_from(reach, number);
    }
    reach->covers = CONFIRMED;
    for (uint32_t number = reach->census.blocks; number-- > 0;)
        if (is_direct(reach, number))
            cover_from(reach, number);
}

void reach_deduce(struct reach *reach)
{
    deduce_direct(reach);
    deduce_rings(reach);
}

enum reach_state reach_state(const struct reach *reach, const void *p)
{
    struct census_block found;
    if (!census_find(&reach->census, (uintptr_t)p, &found))
        return REACH_NO_BLOCK;
    uint8_t flags = reach->census.flags[found.number];
    if ((uintptr_t)p != found.start && (uintptr_t)p != found.start + front_of(reach, &found))
        return REACH_NO_BLOCK;
    if ((flags & SEEN) != 0)
        return (flags & SEEN_START) != 0 ? REACH_BY_START : REACH_BY_INSIDE;
    return (flags & REFERRED) != 0 ? REACH_THROUGH : REACH_DIRECT;
}
