/* arena.c: taking and releasing pages. */
#include "arena.h"

#include "fit.h"
#include "footprint.h"
#include "limit.h"
#include "thp.h"

#include "base/assert.h"
#include "base/bits.h"

#include <string.h>

struct lock arena_lock = LOCK_INIT(RANK_ARENA);
struct arena_totals arena_totals;
_Atomic size_t arena_gone_bytes;

/* No arena below free_slot_hint has a free slot, and none below dirty_slot_hint a dirty one. */
static uint32_t free_slot_hint, dirty_slot_hint;
static size_t dirty_slot_count;
static size_t dropped_arenas;

static unsigned slot_pages(void)
{
    return (unsigned)(POOL_BYTES >> os_page_shift);
}

/* ---- Keeping slots, hints and counters in step with the page bits ---- */

static void set_slot(struct arena *arena, uint32_t number, unsigned slot)
{
    unsigned first = slot * slot_pages(), end = first + slot_pages();
    uint64_t bit = UINT64_C(1) << slot;
    bool is_free = bits_find(arena->used, true, first, end) == end;
    bool is_dirty = is_free && bits_find(arena->dirty, true, first, end) != end;
    bool was_dirty = (arena->dirty_slots & bit) != 0;
    arena->free_slots = is_free ? arena->free_slots | bit : arena->free_slots & ~bit;
    arena->dirty_slots = is_dirty ? arena->dirty_slots | bit : arena->dirty_slots & ~bit;
    dirty_slot_count += (size_t)is_dirty - (size_t)was_dirty;
    if (is_free && number < free_slot_hint)
        free_slot_hint = number;
    if (is_dirty && number < dirty_slot_hint)
        dirty_slot_hint = number;
}

static void set_slots(struct arena *arena, uint32_t number, unsigned first, unsigned end)
{
    for (unsigned slot = first / slot_pages(); slot * slot_pages() < end; slot++)
        set_slot(arena, number, slot);
}

static void mark_used(uint32_t number, unsigned first, unsigned end)
{
    struct arena *arena = map_arena(number);
    DEBUG_ASSERT(bits_find(arena->used, true, first, end) == end);
    arena_totals.idle_pages -= bits_count(arena->dirty, first, end);
    arena_totals.used_pages += end - first;
    bits_set(arena->used, first, end);
    bits_clear(arena->old, first, end);
    bits_clear(arena->filled, first, end);
    set_slots(arena, number, first, end);
    DEBUG_ASSERT(arena_is_valid(number));
}

static void mark_free(uint32_t number, unsigned first, unsigned end)
{
    struct arena *arena = map_arena(number);
    DEBUG_ASSERT(bits_find(arena->used, false, first, end) == end);
    arena_totals.idle_pages += bits_count(arena->dirty, first, end);
    arena_totals.used_pages -= end - first;
    arena_totals.freed_pages += end - first;
    bits_clear(arena->used, first, end);
    set_slots(arena, number, first, end);

    unsigned range_end = bits_find(arena->used, true, first, arena_pages());
    while (first > 0 && !bits_test(arena->used, first - 1))
        first--;
    if (range_end - first > map.longest[number])
        map.longest[number] = (uint16_t)(range_end - first);
    DEBUG_ASSERT(arena_is_valid(number));
}

/* Whether free pages may be taken: those that are dirty count as resident already. */
static bool may_use(uint32_t number, unsigned first, unsigned end)
{
    return !limit_is_hard() ||
           limit_admits((size_t)(end - first - bits_count(map_arena(number)->dirty, first, end))
                        << os_page_shift);
}

static uint32_t restore_arena(void)
{
    for (uint32_t number = 0; dropped_arenas > 0 && number < map_arena_end(); number++) {
        struct arena *arena = map_arena(number);
        if (arena->dropped && map_restore_arena(number)) {
            arena->dropped = false;
            dropped_arenas--;
            return number;
        }
    }
    return UINT32_MAX;
}

static bool obtain_arena(void)
{
    uint32_t number = restore_arena();
    if (number == UINT32_MAX)
        number = map_add_arena();
    if (number == UINT32_MAX)
        return false;
    struct arena *arena = map_arena(number);
    footprint_grow(ARENA_BYTES);
    arena->free_slots = ~UINT64_C(0);
    map.longest[number] = (uint16_t)arena_pages();
    if (number < free_slot_hint)
        free_slot_hint = number;
    return true;
}

/* ---- Slots ---- */

/* The lowest slot in the word of an arena's record at offset `word`, of the first arena from *hint
 * on that has one; sets *number. -1 if there is none. */
static int find_slot(size_t word, uint32_t *hint, uint32_t *number)
{
    for (uint32_t end = map_arena_end(); *hint < end; ++*hint) {
        uint64_t slots = *(uint64_t *)((char *)map_arena(*hint) + word);
        if (slots != 0) {
            *number = *hint;
            return __builtin_ctzll(slots);
        }
    }
    return -1;
}

static int find_any_slot(uint32_t *number)
{
    int slot = -1;
    if (dirty_slot_count > 0)
        slot = find_slot(offsetof(struct arena, dirty_slots), &dirty_slot_hint, number);
    if (slot < 0)
        slot = find_slot(offsetof(struct arena, free_slots), &free_slot_hint, number);
    return slot;
}

/* Fills a THP's range, which is free. The range is `used` while the lock is free, so that no other
 * thread takes pages of it. */
static void fill_thp(uint32_t number, unsigned first)
{
    unsigned end = first + (unsigned)(THP_BYTES >> os_page_shift);
    mark_used(number, first, end);
    if (thp_fill((void *)arena_page_address(number, first), &arena_lock)) {
        bits_set(map_arena(number)->dirty, first, end);
        bits_set(map_arena(number)->filled, first, end);
    }
    mark_free(number, first, end);
}

/* Whether the range of a THP is to be filled, before a pool or a run is taken at its first page. */
static bool wants_thp(uint32_t number, unsigned page, size_t from)
{
    return thp_is_wanted(map_arena(number), page, arena_totals.used_pages << os_page_shift, from) &&
           limit_has_room(THP_BYTES);
}

uintptr_t arena_take_slot(unsigned *clean_page)
{
    uintptr_t start = 0;
    lock_acquire(&arena_lock);
    uint32_t number;
    int slot = find_any_slot(&number);
    if (slot < 0 && obtain_arena())
        slot = find_any_slot(&number);
    unsigned first = (unsigned)slot * slot_pages(), end = first + slot_pages();
    if (slot >= 0 && may_use(number, first, end)) {
        struct arena *arena = map_arena(number);
        if (wants_thp(number, first, THP_FROM))
            fill_thp(number, first);
        *clean_page = slot_pages();
        while (*clean_page > 0 && !bits_test(arena->dirty, first + *clean_page - 1))
            --*clean_page;
        mark_used(number, first, end);
        start = map_arena_start(number) + (uintptr_t)slot * POOL_BYTES;
    }
    lock_release(&arena_lock);
    return start;
}

void arena_release_slot(uintptr_t start, size_t touched_bytes, unsigned clean)
{
    unsigned first = arena_page_of((void *)start);
    unsigned touched = (unsigned)(os_round_to_pages(touched_bytes) >> os_page_shift);
    uint32_t number = map_arena_number((void *)start);
    lock_acquire(&arena_lock);
    if (touched > 0)
        bits_set(map_arena(number)->dirty, first, first + touched);
    for (; clean != 0; clean &= clean - 1)
        bits_clear(map_arena(number)->dirty, first + (unsigned)__builtin_ctz(clean),
                   first + (unsigned)__builtin_ctz(clean) + 1);
    mark_free(number, first, first + slot_pages());
    lock_release(&arena_lock);
}

unsigned arena_purge_in_slot(uintptr_t start, unsigned pages)
{
    unsigned purged = 0;
    lock_acquire(&arena_lock);
    for (unsigned rest = pages; rest != 0;) {
        unsigned first = (unsigned)__builtin_ctz(rest);
        unsigned count = (unsigned)__builtin_ctz(~(rest >> first));
        unsigned range = ((1u << count) - 1) << first;
        if (os_purge((void *)(start + ((size_t)first << os_page_shift)),
                     (size_t)count << os_page_shift))
            purged |= range;
        rest &= ~range;
    }
    arena_totals.purged_pages += (unsigned)__builtin_popcount(purged);
    lock_release(&arena_lock);
    return purged;
}

/* ---- Runs ---- */

static void zero_pages(uintptr_t start, const uint64_t *which, unsigned count)
{
    for (unsigned end, first = bits_find(which, true, 0, count); first < count;
         first = bits_find(which, true, end, count)) {
        end = bits_find(which, false, first, count);
        memset((void *)(start + ((uintptr_t)first << os_page_shift)), 0,
               (size_t)(end - first) << os_page_shift);
    }
}

uintptr_t arena_take_run(size_t pages, size_t alignment, bool zero)
{
    unsigned count = (unsigned)pages, step = (unsigned)(alignment >> os_page_shift);
    uint64_t was_dirty[ARENA_PAGES_MAX / 64] = {0};
    unsigned at;
    lock_acquire(&arena_lock);
    uint32_t number = fit_find(count, step, &at);
    if (number == UINT32_MAX && obtain_arena())
        number = fit_find(count, step, &at);
    if (number == UINT32_MAX || !may_use(number, at, at + count)) {
        lock_release(&arena_lock);
        return 0;
    }
    struct arena *arena = map_arena(number);
    if (!zero && pages << os_page_shift <= THP_RUN_MAX && wants_thp(number, at, THP_FROM_FOR_RUNS))
        fill_thp(number, at);
    bool populates = !zero && pages << os_page_shift <= POPULATE_RUN_MAX &&
                     bits_find(arena->dirty, true, at, at + count) == at + count;
    for (unsigned i = 0; zero && i < count; i++)
        was_dirty[i / 64] |= (uint64_t)bits_test(arena->dirty, at + i) << i % 64;
    mark_used(number, at, at + count);
    bits_set(arena->dirty, at, at + count);
    atomic_store_explicit(&arena->runs[at], (uint16_t)count, memory_order_relaxed);
    lock_release(&arena_lock);
    uintptr_t start = arena_page_address(number, at);
    zero_pages(start, was_dirty, count);
    if (populates)
        os_populate((void *)start, pages << os_page_shift);
    return start;
}

void arena_release_run(uintptr_t start)
{
    unsigned first = arena_page_of((void *)start);
    _Atomic uint16_t *entry = arena_run_entry((void *)start);
    lock_acquire(&arena_lock);
    unsigned pages = atomic_load_explicit(entry, memory_order_relaxed) & ~RUN_RETIRED;
    atomic_store_explicit(entry, 0, memory_order_relaxed);
    mark_free(map_arena_number((void *)start), first, first + pages);
    lock_release(&arena_lock);
}

bool arena_resize_run(uintptr_t start, size_t pages)
{
    uint32_t number = map_arena_number((void *)start);
    unsigned first = arena_page_of((void *)start);
    unsigned new_end = first + (unsigned)pages;
    lock_acquire(&arena_lock);
    unsigned old_end = first + (unsigned)arena_run_pages((void *)start);
    bool fits = new_end <= old_end ||
                (new_end <= arena_pages() &&
                 bits_find(map_arena(number)->used, true, old_end, new_end) == new_end &&
                 may_use(number, old_end, new_end));
    if (fits) {
        if (new_end > old_end) {
            mark_used(number, old_end, new_end);
            bits_set(map_arena(number)->dirty, old_end, new_end);
        }
        atomic_store_explicit(arena_run_entry((void *)start), (uint16_t)pages,
                              memory_order_relaxed);
        if (new_end < old_end)
            mark_free(number, new_end, old_end);
    }
    lock_release(&arena_lock);
    return fits;
}

/* The pages read as zero. */
static void clear_dirt(struct arena *arena, unsigned first, unsigned end)
{
    bits_clear(arena->dirty, first, end);
    bits_clear(arena->old, first, end);
    bits_clear(arena->filled, first, end);
}

void arena_clean_pages(uint32_t number, unsigned first, unsigned end)
{
    struct arena *arena = map_arena(number);
    unsigned cleaned = bits_count(arena->dirty, first, end);
    clear_dirt(arena, first, end);
    arena_totals.idle_pages -= cleaned;
    arena_totals.purged_pages += cleaned;
    set_slots(arena, number, first, end);
}

/* A thread that is gone was giving up the arena's memory. Within a reservation that is one system
 * call, and one can see whether it was made; else the program may have mapped something there by
 * now. */
static void repair_half_dropped(struct arena *arena, uint32_t number)
{
    bool has_memory = os_is_readable((void *)map_arena_start(number), os_page_bytes());
    if (has_memory && map.reserved) {
        arena->dropped = false;
        return;
    }
    clear_dirt(arena, 0, arena_pages());
    arena->free_slots = arena->dirty_slots = 0;
    map.longest[number] = 0;
}

void arena_repair(void)
{
    unsigned count = arena_pages();
    arena_totals.used_pages = arena_totals.idle_pages = 0;
    dirty_slot_count = dropped_arenas = 0;
    free_slot_hint = dirty_slot_hint = 0;
    for (uint32_t number = 0; number < map_arena_end(); number++) {
        struct arena *arena = map_arena(number);
        if (arena->dropped && arena->free_slots != 0)
            repair_half_dropped(arena, number);
        dropped_arenas += arena->dropped;
        if (arena->dropped)
            continue;
        unsigned dirty = bits_count(arena->dirty, 0, count);
        for (unsigned w = 0; w < ARENA_PAGES_MAX / 64; w++)
            dirty -= (unsigned)__builtin_popcountll(arena->dirty[w] & arena->used[w]);
        arena_totals.idle_pages += dirty;
        arena_totals.used_pages += bits_count(arena->used, 0, count);
        arena->dirty_slots = 0;
        set_slots(arena, number, 0, count);
        map.longest[number] = (uint16_t)count;
    }
}

bool arena_is_valid(uint32_t number)
{
    const struct arena *arena = map_arena(number);
    unsigned count = arena_pages();
    for (unsigned slot = 0; slot < ARENA_POOLS; slot++) {
        unsigned first = slot * slot_pages(), end = first + slot_pages();
        bool is_free = bits_find(arena->used, true, first, end) == end;
        bool is_dirty = is_free && bits_find(arena->dirty, true, first, end) != end;
        if ((arena->free_slots >> slot & 1) != is_free ||
            (arena->dirty_slots >> slot & 1) != is_dirty)
            return false;
    }
    for (unsigned end, first = bits_find(arena->used, false, 0, count); first < count;
         first = bits_find(arena->used, false, end, count)) {
        end = bits_find(arena->used, true, first, count);
        if (end - first > map.longest[number])
            return false;
    }
    return true;
}

/* Sets `dropped` before the memory goes: a forked child must not use an arena that is half given
 * up. */
static bool drop_arena(uint32_t number)
{
    struct arena *arena = map_arena(number);
    arena->dropped = true;
    if (!map_drop_arena(number)) {
        arena->dropped = false;
        return false;
    }
    arena_clean_pages(number, 0, arena_pages());
    arena->free_slots = 0;
    map.longest[number] = 0;
    dropped_arenas++;
    footprint_shrink(ARENA_BYTES);
    return true;
}

bool arena_drop_free(void)
{
    bool any = false;
    lock_acquire(&arena_lock);
    for (uint32_t number = 0; number < map_arena_end(); number++)
        if (map_arena(number)->free_slots == ~UINT64_C(0) && drop_arena(number))
            any = true;
    lock_release(&arena_lock);
    return any;
}

void arena_limit(size_t address_limit, bool alone)
{
    lock_acquire(&arena_lock);
    bool was_reserved = map.reserved;
    map_limit(address_limit, alone);
    for (uint32_t number = 0; was_reserved && number < map_arena_end(); number++)
        if (map_arena(number)->dropped)
            map_drop_arena(number);
    lock_release(&arena_lock);
}

bool arena_was_used(const void *p)
{
    const struct arena *arena = map_arena(map_arena_number(p));
    unsigned page = arena_page_of(p);
    return bits_test(arena->dirty, page) && !bits_test(arena->used, page);
}

bool arena_find_run(const void *p, uintptr_t *start, size_t *pages, bool *retired)
{
    uint32_t number = map_arena_number(p);
    for (unsigned page = arena_page_of(p) + 1; page-- > 0;) {
        unsigned entry = atomic_load_explicit(&map_arena(number)->runs[page], memory_order_relaxed);
        if (entry == 0)
            continue;
        *start = arena_page_address(number, page);
        *pages = entry & ~RUN_RETIRED;
        *retired = (entry & RUN_RETIRED) != 0;
        return arena_page_of(p) - page < *pages;
    }
    return false;
}
