/* map.c: finding the window and laying out the tables. */
#include "map.h"

#include "arena.h" // struct arena, for its size

#include "base/options.h"
#include "os/os.h"

#include <string.h>

/* The tables become writable for this many arenas, or heaps, at a time. */
#define GROUP_ARENAS 16u
#define GROUP_HEAPS 16u

/* Before map_init every address finds this record, which no free passes. */
static struct pool no_pool;

struct map map = {.pools = (char *)&no_pool};

struct layout {
    size_t pools, arenas, longest, heaps, end; /* offsets in the tables' mapping */
};

static size_t round_up(size_t bytes)
{
    size_t step = (size_t)1 << PAGE_SHIFT_MAX;
    return (bytes + step - 1) & ~(step - 1);
}

static struct layout tables_layout(unsigned window_shift, size_t heap_max)
{
    size_t arenas = (size_t)1 << (window_shift - ARENA_SHIFT);
    struct layout layout = {.pools = 0};
    layout.arenas = layout.pools + arenas * ARENA_POOLS * sizeof(struct pool);
    layout.longest = layout.arenas + round_up(arenas * sizeof(struct arena));
    layout.heaps = layout.longest + round_up(arenas * sizeof(uint16_t));
    layout.end = layout.heaps + round_up((heap_max + 1) * HEAP_STRIDE);
    return layout;
}

/* How many heaps: their cookies must span less than half the window (see pool.h), their numbers
 * fit 16 bits, and under an address limit their records must not eat it. */
static uint32_t heap_limit(unsigned window_shift, size_t address_limit)
{
    size_t max = ((size_t)1 << (window_shift - 1 - COOKIE_SHIFT)) - 1;
    if (max > UINT16_MAX)
        max = UINT16_MAX;
    if (max > address_limit >> 18)
        max = address_limit >> 18;
    return (uint32_t)max;
}

static bool map_tables(unsigned window_shift, size_t address_limit)
{
    uint32_t heap_max = heap_limit(window_shift, address_limit);
    struct layout layout = tables_layout(window_shift, heap_max);
    char *tables = os_reserve_readable(layout.end);
    if (tables == NULL)
        return false;
    map.arenas = (struct arena *)(tables + layout.arenas);
    map.longest = (uint16_t *)(tables + layout.longest);
    map.heaps = tables + layout.heaps;
    map.heap_max = heap_max;
    map.arena_max = 1u << (window_shift - ARENA_SHIFT);
    map.records = (struct pool *)(tables + layout.pools);
    map.pools = tables + layout.pools;
    /* free() reads both without order. No other thread can have a block to free yet: the mask comes
     * last for those that free NULL. */
    uintptr_t slots = (uintptr_t)1 << (window_shift - POOL_SHIFT);
    __atomic_store_n(&map.pool_mask, (slots - 1) << POOL_RECORD_SHIFT, __ATOMIC_RELEASE);
    return true;
}

/* The window begins wherever the OS has randomly put it, but for this: no group of records wraps
 * around the end of the table. */
#define BASE_ALIGNMENT (GROUP_ARENAS * ARENA_BYTES)

static uintptr_t align_base(uintptr_t address)
{
    return (address + BASE_ALIGNMENT - 1) & ~(BASE_ALIGNMENT - 1);
}

static unsigned shift_for(size_t bytes)
{
    unsigned shift = WINDOW_SHIFT_MIN;
    while (shift < WINDOW_SHIFT_MAX && (size_t)1 << shift < bytes)
        shift++;
    return shift;
}

/* Publishes the window: from now on map_init counts as done. */
static bool set_window(uintptr_t base, unsigned shift, bool reserved)
{
    map.base = base;
    map.reserved = reserved;
    __atomic_store_n(&map.bytes, (size_t)1 << shift, __ATOMIC_RELEASE);
    return true;
}

/* Reserves a little more, then gives the ends back. */
static void *reserve_aligned(size_t bytes)
{
    char *start = os_reserve(bytes + BASE_ALIGNMENT);
    if (start == NULL)
        return NULL;
    char *window = (char *)align_base((uintptr_t)start);
    size_t before = (size_t)(window - start);
    if (before > 0)
        os_unmap(start, before);
    if (before < BASE_ALIGNMENT)
        os_unmap(window + bytes, BASE_ALIGNMENT - before);
    return window;
}

static bool reserve_window(void)
{
    size_t wanted = options.reserve != 0 ? options.reserve : os_memory_bytes() * WINDOW_PER_MEMORY;
    for (unsigned shift = shift_for(wanted); shift >= WINDOW_SHIFT_MIN; shift--) {
        size_t bytes = (size_t)1 << shift;
        void *window = reserve_aligned(bytes);
        if (window == NULL)
            continue;
        os_forbid_huge_pages(window, bytes);
        if (map_tables(shift, SIZE_MAX))
            return set_window((uintptr_t)window, shift, true);
        os_unmap(window, bytes);
    }
    return false;
}

/* A window that is not reserved lies half-way to where the OS puts mappings: in the large gap
 * below them. */
static bool place_window(size_t address_limit)
{
    size_t page = os_page_bytes();
    void *probe = os_map(page);
    if (probe == NULL)
        return false;
    os_unmap(probe, page);
    unsigned shift = shift_for(address_limit == SIZE_MAX ? (size_t)1 << 36 : address_limit);
    return map_tables(shift, address_limit) &&
           set_window(align_base((uintptr_t)probe / 2), shift, false);
}

bool map_init(void)
{
    size_t address_limit = os_address_limit();
    return (address_limit == SIZE_MAX && reserve_window()) || place_window(address_limit);
}

/* Gives back the whole pages from `from` to `end`, if there are any. */
static void unmap_between(char *from, char *end)
{
    char *start = (char *)round_up((uintptr_t)from);
    if (start < end)
        os_unmap(start, (size_t)(end - start));
}

static size_t slot_count(unsigned window_shift)
{
    return (size_t)1 << (window_shift - POOL_SHIFT);
}

/* The record of the window's first slot, counted from the table's start. */
static size_t first_record(void)
{
    return (size_t)(map_pool((void *)map.base) - map.records);
}

/* Whether a window of `shift` would leave all records in use where they are: its table is the
 * aligned part of the present one in which the first record lies. Later arenas wrap around its
 * end. */
static bool can_shrink_to(unsigned shift)
{
    size_t room = slot_count(shift) - (first_record() & (slot_count(shift) - 1));
    return map_arena_end() * ARENA_POOLS <= room &&
           heap_limit(shift, SIZE_MAX) >= map.heap_end + GROUP_HEAPS;
}

/* Gives back the tables' address space that a window of `shift` does not need. */
static void shrink_tables(unsigned shift, size_t address_limit)
{
    size_t slots = slot_count(shift), old_slots = (map.pool_mask >> POOL_RECORD_SHIFT) + 1;
    size_t part = first_record() & ~(slots - 1);
    struct pool *old_table = (struct pool *)map.pools, *table = map.records + part;
    uint32_t arenas = map.arena_max;
    uint32_t kept = (uint32_t)(slots / ARENA_POOLS);
    map.pools = (char *)table;
    map.pool_mask = (slots - 1) << POOL_RECORD_SHIFT;
    map.arena_max = kept;
    map.bytes = (size_t)kept << ARENA_SHIFT;
    unmap_between((char *)old_table, (char *)table);
    unmap_between((char *)(table + slots), (char *)(old_table + old_slots));
    unmap_between((char *)(map.arenas + kept), (char *)(map.arenas + arenas));
    unmap_between((char *)(map.longest + kept), (char *)(map.longest + arenas));

    uint32_t heap_max = heap_limit(shift, address_limit);
    if (heap_max < map.heap_end + GROUP_HEAPS)
        heap_max = map.heap_end + GROUP_HEAPS;
    if (heap_max < map.heap_max) {
        unmap_between((char *)map_heap(heap_max + 1), (char *)map_heap(map.heap_max + 1));
        map.heap_max = heap_max;
    }
}

void map_limit(size_t address_limit, bool alone)
{
    if (map.reserved) {
        uintptr_t end = map_arena_start(map_arena_end());
        os_unmap((void *)end, map.base + map.bytes - end);
        map.reserved = false;
    }
    unsigned shift = shift_for(address_limit);
    while (shift < WINDOW_SHIFT_MAX && !can_shrink_to(shift))
        shift++;
    if (alone && slot_count(shift) <= map.pool_mask >> POOL_RECORD_SHIFT)
        shrink_tables(shift, address_limit);
}

static bool commit_table(void *start, size_t bytes)
{
    uintptr_t page = os_page_bytes();
    uintptr_t first = (uintptr_t)start & ~(page - 1);
    size_t length = os_round_to_pages((uintptr_t)start + bytes - first);
    if (!os_commit((void *)first, length))
        return false;
    map.metadata_bytes += length;
    return true;
}

/* Makes the records of a whole group of arenas writable before its first one is added. */
static bool commit_records(uint32_t number)
{
    if (number < map.records_end)
        return true;
    if (!commit_table(map_pool((void *)map_arena_start(number)),
                      GROUP_ARENAS * ARENA_POOLS * sizeof(struct pool)) ||
        !commit_table(&map.arenas[number], GROUP_ARENAS * sizeof(struct arena)) ||
        !commit_table(&map.longest[number], GROUP_ARENAS * sizeof(uint16_t)))
        return false;
    map.records_end = number + GROUP_ARENAS;
    return true;
}

/* Makes an arena's memory usable. *taken: others have mapped something there. */
static bool commit_arena(uint32_t number, bool *taken)
{
    void *start = (void *)map_arena_start(number);
    *taken = false;
    if (map.reserved)
        return os_commit(start, ARENA_BYTES);
    if (os_map_at(start, ARENA_BYTES, taken) == NULL)
        return false;
    os_forbid_huge_pages(start, ARENA_BYTES);
    return true;
}

bool map_drop_arena(uint32_t number)
{
    void *start = (void *)map_arena_start(number);
    if (!map.reserved)
        return os_unmap(start, ARENA_BYTES);
    bool dropped = os_decommit(start, ARENA_BYTES);
    if (dropped)
        os_forbid_huge_pages(start, ARENA_BYTES);
    return dropped;
}

bool map_restore_arena(uint32_t number)
{
    bool taken;
    return commit_arena(number, &taken);
}

uint32_t map_add_arena(void)
{
    uint32_t number = map_arena_end();
    while (number < map.arena_max && commit_records(number)) {
        bool taken;
        bool usable = commit_arena(number, &taken);
        if (!usable && !taken)
            break;
        /* An arena whose place is taken by others stays in the numbering, all its pages used. */
        if (!usable)
            memset(map.arenas[number].used, 0xff, sizeof map.arenas[number].used);
        atomic_store_explicit(&map.arena_end, number + 1, memory_order_release);
        if (usable)
            return number;
        number++;
    }
    return UINT32_MAX;
}

struct heap *map_add_heap(uint32_t *number)
{
    uint32_t next = map.heap_end + 1; /* number 0 is no heap: its cookie would be 0 */
    if (next > map.heap_max)
        return NULL;
    if ((next - 1) % GROUP_HEAPS == 0) {
        uint32_t left = map.heap_max - map.heap_end;
        uint32_t group = left < GROUP_HEAPS ? left : GROUP_HEAPS;
        if (!commit_table(map_heap(next), group * HEAP_STRIDE))
            return NULL;
    }
    map.heap_end = next;
    *number = next;
    return map_heap(next);
}
