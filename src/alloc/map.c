/* map.c: finding the window and laying out the tables. */
#include "map.h"

#include "base/options.h"
#include "os/os.h"

#include <string.h>

/* The tables are made writable for so many arenas, or heaps, at a time. */
#define GROUP_ARENAS 16u
#define GROUP_HEAPS 16u

/* Before map_init every address finds this record, which describes none. */
static struct pool no_pool;

NO_POINTERS struct map map = {.pools = (char *)&no_pool};
struct lock map_lock = LOCK_INIT(RANK_MAP);

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

/* How many heaps there may be: their cookies must span less than half the window (pool.h), their
 * numbers must fit 16 bits, and their records must not use up an address limit. */
static uint32_t heap_limit(unsigned window_shift, size_t address_limit)
{
    size_t max = ((size_t)1 << (window_shift - 1 - COOKIE_SHIFT)) - 1;
    if (max > UINT16_MAX)
        max = UINT16_MAX;
    if (max > address_limit >> 18)
        max = address_limit >> 18;
    return (uint32_t)max;
}

/* ---- The reach ---- */

static size_t slot_count(unsigned window_shift)
{
    return (size_t)1 << (window_shift - POOL_SHIFT);
}

static size_t slots_within_reach(void)
{
    return (map.pool_mask >> POOL_RECORD_SHIFT) + 1;
}

/* The number of the window's first slot in the aligned range, and in the table. */
static size_t first_slot(void)
{
    return (map.base & (((size_t)1 << map.shift) - 1)) >> POOL_SHIFT;
}

static void set_reach(size_t slots, size_t arena_slots)
{
    map.reach_end = (uint32_t)(arena_slots / ARENA_POOLS);
    __atomic_store_n(&map.pool_mask, (slots - 1) << POOL_RECORD_SHIFT, __ATOMIC_RELEASE);
}

/* Doubles the reach until it has so many slots, which the range has. */
static bool extend_reach(size_t slots)
{
    size_t present = slots_within_reach(), wanted = present;
    while (wanted < slots)
        wanted *= 2;
    if (wanted == present)
        return true;
    if (!os_commit_zeroes(map.pools + present * sizeof(struct pool),
                          (wanted - present) * sizeof(struct pool)))
        return false;
    set_reach(wanted, wanted - first_slot());
    return true;
}

/* ---- Finding the window ---- */

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Publishes a window that begins at `base`, in an aligned range that ends where it does: from now
 * on map_init counts as done. */
static bool open_window(uintptr_t base, unsigned shift, bool reserved, size_t address_limit)
{
    uint32_t heap_max = heap_limit(shift, address_limit);
    struct layout layout = tables_layout(shift, heap_max);
    size_t reach = smaller(slot_count(shift), slot_count(REACH_SHIFT_MIN));
    char *tables = os_reserve(layout.end);
    if (tables == NULL)
        return false;
    if (!os_commit_zeroes(tables + layout.pools, reach * sizeof(struct pool))) {
        os_unmap(tables, layout.end);
        return false;
    }
    map.arenas = (struct arena *)(tables + layout.arenas);
    map.longest = (uint16_t *)(tables + layout.longest);
    map.heaps = tables + layout.heaps;
    map.heap_max = heap_max;
    map.records = (struct pool *)(tables + layout.pools);
    map.base = base;
    map.shift = shift;
    map.reserved = reserved;
    map.arena_max = (uint32_t)((slot_count(shift) - first_slot()) / ARENA_POOLS);
    map.pools = tables + layout.pools;
    /* free() reads pools and mask without order. No other thread can have a block to free yet: the
     * mask is stored last, for threads that free NULL. */
    set_reach(reach, reach - first_slot());
    __atomic_store_n(&map.bytes, (size_t)map.arena_max << ARENA_SHIFT, __ATOMIC_RELEASE);
    return true;
}

static unsigned shift_for(size_t bytes)
{
    unsigned shift = WINDOW_SHIFT_MIN;
    while (shift < WINDOW_SHIFT_MAX && (size_t)1 << shift < bytes)
        shift++;
    return shift;
}

/* The address where the OS puts the next mapping, unless it fits between older ones; 0: nowhere. */
static uintptr_t probe_address(void)
{
    void *probe = os_reserve(ARENA_BYTES);
    if (probe != NULL)
        os_unmap(probe, ARENA_BYTES);
    return (uintptr_t)probe;
}

/* Reserves an aligned range: reserves twice as much, and gives back what lies around it. */
static char *reserve_and_cut(size_t bytes)
{
    char *start = os_reserve(2 * bytes);
    if (start == NULL)
        return NULL;
    size_t before = -(uintptr_t)start & (bytes - 1);
    if (before > 0)
        os_unmap(start, before);
    os_unmap(start + before + bytes, bytes - before);
    return start + before;
}

/* Reserves an aligned range: the next one below the probe; else the next above it, where mappings
 * grow upwards; else any. */
static char *reserve_aligned(size_t bytes, uintptr_t probe)
{
    uintptr_t above = (probe + bytes - 1) & ~(bytes - 1), below = above - 2 * bytes;
    bool taken;
    char *range = above > 2 * bytes ? os_reserve_at((void *)below, bytes, &taken) : NULL;
    if (range == NULL)
        range = os_reserve_at((void *)above, bytes, &taken);
    return range != NULL ? range : reserve_and_cut(bytes);
}

/* How far into its range the window begins. The range is aligned, so of the random bits of the
 * probe's address only the high ones are in the range's; some of the others are used here. */
static size_t random_offset(size_t bytes, uintptr_t probe)
{
    size_t most = smaller(bytes / 16, (size_t)1 << (REACH_SHIFT_MIN - 1));
    return probe & (most - 1) & ~(ARENA_BYTES - 1);
}

static bool reserve_window(void)
{
    size_t wanted = options.reserve != 0 ? options.reserve : os_memory_bytes() * WINDOW_PER_MEMORY;
    uintptr_t probe = probe_address();
    for (unsigned shift = shift_for(wanted); probe != 0 && shift >= WINDOW_SHIFT_MIN; shift--) {
        size_t bytes = (size_t)1 << shift, offset = random_offset(bytes, probe);
        char *range = reserve_aligned(bytes, probe);
        if (range == NULL)
            continue;
        os_forbid_thp(range, bytes);
        if (open_window((uintptr_t)range + offset, shift, true, SIZE_MAX)) {
            if (offset > 0)
                os_unmap(range, offset);
            return true;
        }
        os_unmap(range, bytes);
    }
    return false;
}

/* A window that is not reserved lies half-way to where the OS puts mappings: in the large gap
 * below them. */
static bool place_window(size_t address_limit)
{
    uintptr_t probe = probe_address();
    unsigned shift = shift_for(address_limit == SIZE_MAX ? (size_t)1 << 36 : address_limit);
    size_t bytes = (size_t)1 << shift;
    uintptr_t range = (probe / 2 + bytes - 1) & ~(bytes - 1);
    return probe != 0 && open_window(range, shift, false, address_limit);
}

bool map_init(void)
{
    size_t address_limit = os_address_limit();
    return (address_limit == SIZE_MAX && reserve_window()) || place_window(address_limit);
}

/* ---- A limit that comes late ---- */

/* Gives back the whole pages from `from` to `end`, if there are any. */
static void unmap_between(char *from, char *end)
{
    char *start = (char *)round_up((uintptr_t)from);
    if (start < end)
        os_unmap(start, (size_t)(end - start));
}

/* Whether tables for a range of `shift` would leave all records in use where they are, and serve
 * `bytes` of the window. The reach may become smaller only if no other thread reads it (`alone`):
 * then it is the aligned part of the present one in which the first record lies, and later arenas
 * wrap around its end. */
static bool can_shrink_to(unsigned shift, size_t bytes, bool alone)
{
    size_t slots = slot_count(shift), first = first_slot();
    if (heap_limit(shift, SIZE_MAX) < map.heap_end + GROUP_HEAPS)
        return false;
    if (slots < slots_within_reach())
        return alone && map_arena_end() * ARENA_POOLS <= slots - (first & (slots - 1));
    return (slots - first) << POOL_SHIFT >= bytes;
}

/* Gives back the part of the tables' address space that a range of `shift` does not need. */
static void shrink_tables(unsigned shift, size_t address_limit)
{
    size_t slots = slot_count(shift), first = first_slot();
    bool wraps = slots < slots_within_reach();
    size_t arena_slots = wraps ? slots : slots - first;
    struct pool *old_table = (struct pool *)map.pools, *old_end = old_table + slot_count(map.shift);
    struct pool *table = old_table + (wraps ? first & ~(slots - 1) : 0);
    uint32_t arenas = map.arena_max;
    map.shift = shift;
    map.arena_max = (uint32_t)(arena_slots / ARENA_POOLS);
    map.bytes = arena_slots << POOL_SHIFT;
    if (wraps) {
        map.pools = (char *)table;
        set_reach(slots, arena_slots);
    }
    unmap_between((char *)old_table, (char *)table);
    unmap_between((char *)(table + slots), (char *)old_end);
    unmap_between((char *)(map.arenas + map.arena_max), (char *)(map.arenas + arenas));
    unmap_between((char *)(map.longest + map.arena_max), (char *)(map.longest + arenas));

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
    lock_acquire(&map_lock);
    if (map.reserved) {
        uintptr_t end = map_arena_start(map_arena_end());
        os_unmap((void *)end, map.base + map.bytes - end);
        map.reserved = false;
    }
    unsigned shift = shift_for(address_limit);
    while (shift < map.shift && !can_shrink_to(shift, address_limit, alone))
        shift++;
    if (shift < map.shift)
        shrink_tables(shift, address_limit);
    lock_release(&map_lock);
}

/* ---- Making arenas and heaps usable ---- */

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

/* Groups of arenas begin at multiples of their size, so none wraps around the table's end. */
static uint32_t group_end(uint32_t number)
{
    uint32_t first = (uint32_t)(map.base >> ARENA_SHIFT) % GROUP_ARENAS;
    uint32_t end = (number + first) / GROUP_ARENAS * GROUP_ARENAS + GROUP_ARENAS - first;
    return end < map.arena_max ? end : map.arena_max;
}

/* Makes the records of a whole group of arenas writable before its first one is added. */
static bool commit_records(uint32_t number)
{
    if (number < map.records_end)
        return true;
    uint32_t end = group_end(number), count = end - number;
    if (!commit_table(map_pool((void *)map_arena_start(number)),
                      count * ARENA_POOLS * sizeof(struct pool)) ||
        !commit_table(&map.arenas[number], count * sizeof(struct arena)) ||
        !commit_table(&map.longest[number], count * sizeof(uint16_t)))
        return false;
    map.records_end = end;
    return true;
}

/* The parts begin at whole pages, but for the records of heaps. */
void map_each_table(void (*visit)(const void *start, size_t bytes, void *context), void *context)
{
    uint32_t arenas = map_arena_end();
    visit(map.pools, slots_within_reach() * sizeof(struct pool), context);
    visit(map.arenas, os_round_to_pages(arenas * sizeof(struct arena)), context);
    visit(map.longest, os_round_to_pages(arenas * sizeof(uint16_t)), context);
    visit(map.heaps, os_round_to_pages((map.heap_end + 1) * HEAP_STRIDE), context);
}

/* Brings an arena's pool records within reach. */
static bool reach_arena(uint32_t number)
{
    return number < map.reach_end || extend_reach(first_slot() + (number + 1) * ARENA_POOLS);
}

/* Makes an arena's memory usable. Sets *taken if the program has mapped something there. */
static bool commit_arena(uint32_t number, bool *taken)
{
    void *start = (void *)map_arena_start(number);
    *taken = false;
    if (map.reserved)
        return os_commit(start, ARENA_BYTES);
    if (os_map_at(start, ARENA_BYTES, taken) == NULL)
        return false;
    os_forbid_thp(start, ARENA_BYTES);
    return true;
}

bool map_drop_arena(uint32_t number)
{
    void *start = (void *)map_arena_start(number);
    if (!map.reserved)
        return os_unmap(start, ARENA_BYTES);
    bool dropped = os_decommit(start, ARENA_BYTES);
    if (dropped)
        os_forbid_thp(start, ARENA_BYTES);
    return dropped;
}

bool map_restore_arena(uint32_t number)
{
    bool taken;
    return commit_arena(number, &taken);
}

static uint32_t add_arena(void)
{
    uint32_t number = map_arena_end();
    while (number < map.arena_max && reach_arena(number) && commit_records(number)) {
        bool taken;
        bool usable = commit_arena(number, &taken);
        if (!usable && !taken)
            break;
        /* An arena whose place is taken stays in the numbering, with all its pages used. */
        if (!usable)
            memset(map.arenas[number].used, 0xff, sizeof map.arenas[number].used);
        atomic_store_explicit(&map.arena_end, number + 1, memory_order_release);
        if (usable)
            return number;
        number++;
    }
    return UINT32_MAX;
}

uint32_t map_add_arena(void)
{
    lock_acquire(&map_lock);
    uint32_t number = add_arena();
    lock_release(&map_lock);
    return number;
}

/* Makes a group of heaps writable; keeps the reach at twice what their cookies span (pool.h). */
static bool commit_heaps(uint32_t first)
{
    uint32_t left = map.heap_max - first + 1;
    uint32_t count = left < GROUP_HEAPS ? left : GROUP_HEAPS;
    size_t span = (size_t)(first + count) << COOKIE_SHIFT;
    return extend_reach(2 * span >> POOL_SHIFT) &&
           commit_table(map_heap(first), count * HEAP_STRIDE);
}

static struct heap *add_heap(uint32_t *number)
{
    uint32_t next = map.heap_end + 1; /* number 0 is no heap: its cookie would be 0 */
    if (next > map.heap_max)
        return NULL;
    if ((next - 1) % GROUP_HEAPS == 0 && !commit_heaps(next))
        return NULL;
    map.heap_end = next;
    *number = next;
    return map_heap(next);
}

struct heap *map_add_heap(uint32_t *number)
{
    lock_acquire(&map_lock);
    struct heap *heap = add_heap(number);
    lock_release(&map_lock);
    return heap;
}
