/* purge.c: the sweep. */
#include "purge.h"

#include "arena.h"
#include "map.h"

#include "base/bits.h"
#include "base/options.h"
#include "os/os.h"

/* 400 pages take the kernel a tenth of a millisecond. */
#define PAGES_PER_MS 400u
#define PAGES_MIN 256u
#define PAGES_MAX ((size_t)1 << 20)

/* purge_all holds the lock while it returns so many pages. */
#define LOCKED_PAGES ((size_t)256)

/* Under arena_lock. */
static struct {
    bool under_way;
    bool takes_all;        /* it returns all idle pages, old or not */
    uint32_t next;         /* the arena to go on with */
    uint64_t started_ms;   /* when it began */
    uint64_t ticked_ms;    /* the last tick */
    size_t freed_pages;    /* … and arena_totals.freed_pages then */
    size_t quota;          /* pages that may be returned at once */
    size_t refused;        /* idle pages that the OS has refused, in the sweep under way */
    size_t refused_before; /* … and in the last whole one: over_budget does not count them */
} sweep;

/* Returns a range of pages by one system call. Where the OS refuses it (a page of it is locked), by
 * halves, as long as few pages have been refused in this sweep. Takes a page from *quota for each
 * page that is tried. */
#define REFUSED_MAX 256u

static void purge_range(uint32_t number, unsigned first, unsigned end, size_t *quota)
{
    void *start = (void *)(map_arena_start(number) + ((uintptr_t)first << os_page_shift));
    unsigned pages = end - first;
    if (os_purge(start, (size_t)pages << os_page_shift)) {
        arena_clean_pages(number, first, end);
        *quota -= pages < *quota ? pages : *quota;
    } else if (pages == 1 || sweep.refused >= REFUSED_MAX) {
        sweep.refused += pages;
        *quota -= *quota > 0;
    } else {
        purge_range(number, first, first + pages / 2, quota);
        purge_range(number, first + pages / 2, end, quota);
    }
}

/* Returns the pages of `which` until the quota is spent. Whether it came to the end. */
static bool purge_pages(uint32_t number, const uint64_t *which, size_t *quota)
{
    unsigned count = arena_pages();
    for (unsigned end, first = bits_find(which, true, 0, count); first < count;
         first = bits_find(which, true, end, count)) {
        if (*quota == 0)
            return false;
        end = bits_find(which, false, first, count);
        if (end - first > *quota)
            end = first + (unsigned)*quota;
        purge_range(number, first, end, quota);
    }
    return true;
}

enum which {
    OLD,       /* idle pages that were idle at the last sweep */
    USED_ONCE, /* idle pages that were in use once: all but the filled ones */
    ALL,       /* all idle pages */
};

static uint64_t pages_due(const struct arena *arena, unsigned word, enum which which)
{
    uint64_t idle = arena->dirty[word] & ~arena->used[word];
    if (which == OLD)
        return idle & arena->old[word];
    return which == USED_ONCE ? idle & ~arena->filled[word] : idle;
}

/* Sweeps one arena. Whether it has come to the end: then, and only then, idle pages become old. */
static bool sweep_arena(uint32_t number, enum which which, size_t *quota)
{
    struct arena *arena = map_arena(number);
    uint64_t due[ARENA_PAGES_MAX / 64];
    for (unsigned w = 0; w < ARENA_PAGES_MAX / 64; w++)
        due[w] = pages_due(arena, w, which);
    if (!purge_pages(number, due, quota))
        return false;
    for (unsigned w = 0; w < ARENA_PAGES_MAX / 64; w++)
        arena->old[w] = arena->dirty[w] & ~arena->used[w];
    return true;
}

static bool over_budget(void)
{
    size_t idle = arena_totals.idle_pages, refused = sweep.refused_before;
    return (idle > refused ? idle - refused : 0) << os_page_shift > options.dirty;
}

size_t purge_raise_quota(size_t left, uint64_t elapsed_ms)
{
    size_t quota =
        elapsed_ms < PAGES_MAX / PAGES_PER_MS ? (size_t)elapsed_ms * PAGES_PER_MS : PAGES_MAX;
    quota = left + (quota > PAGES_MIN ? quota : PAGES_MIN);
    return quota < PAGES_MAX ? quota : PAGES_MAX;
}

/* Whether the last tick is long ago, and next to nothing was freed since. */
static bool has_slept(uint64_t now_ms)
{
    size_t freed = arena_totals.freed_pages - sweep.freed_pages;
    return now_ms - sweep.ticked_ms >= options.decay && freed <= arena_totals.idle_pages / 16;
}

static bool begin_sweep(uint64_t now_ms)
{
    bool slept = has_slept(now_ms);
    if (sweep.under_way && !slept)
        return true;
    if (!slept && !over_budget() && now_ms - sweep.started_ms < options.decay)
        return false;
    sweep.under_way = true;
    sweep.takes_all = slept;
    sweep.next = 0;
    sweep.started_ms = now_ms;
    sweep.refused = 0;
    return true;
}

/* Adds what the time since the last tick allows; nothing is saved up while there is no sweep. */
static void raise_quota(uint64_t now_ms)
{
    bool goes_on = begin_sweep(now_ms);
    uint64_t elapsed = now_ms - sweep.ticked_ms;
    if (!goes_on)
        sweep.quota = 0;
    else if (elapsed > 0)
        sweep.quota = purge_raise_quota(sweep.quota, elapsed);
    sweep.ticked_ms = now_ms;
    sweep.freed_pages = arena_totals.freed_pages;
}

/* Goes on with the sweep by a portion of the quota. The lock is free between two arenas. */
bool purge_tick(uint64_t now_ms)
{
    if (__atomic_load_n(&arena_totals.idle_pages, __ATOMIC_RELAXED) == 0 || !lock_try(&arena_lock))
        return false;
    raise_quota(now_ms);
    size_t portion = sweep.quota < PURGE_PORTION ? sweep.quota : PURGE_PORTION;
    sweep.quota -= portion;
    while (portion > 0 && sweep.under_way) {
        if (sweep.next >= map_arena_end()) {
            sweep.under_way = false;
            sweep.refused_before = sweep.refused;
        } else if (sweep_arena(sweep.next, over_budget() || sweep.takes_all ? ALL : OLD,
                               &portion)) {
            sweep.next++;
        }
        lock_release(&arena_lock);
        lock_acquire(&arena_lock);
    }
    bool more = sweep.under_way && sweep.quota > 0;
    lock_release(&arena_lock);
    return more;
}

static void purge_from_top(enum which which, size_t quota)
{
    for (uint32_t number = map_arena_end(); quota > 0 && number-- > 0 && lock_try(&arena_lock);) {
        sweep_arena(number, which, &quota);
        lock_release(&arena_lock);
    }
}

void purge_bytes(size_t bytes)
{
    purge_from_top(USED_ONCE, bytes >> os_page_shift);
}

void purge_now(void)
{
    purge_from_top(ALL, SIZE_MAX);
}

/* Returns a portion of the arena's pages. Whether the arena is done with. `is_last`: the OS has
 * refused the last portion, so all the rest is tried at once, for the last time. */
static bool purge_portion(uint32_t number, size_t keep, bool is_last, size_t *purged)
{
    size_t idle = arena_totals.idle_pages, before = arena_totals.purged_pages;
    size_t quota = idle > keep ? idle - keep : 0;
    bool is_small = quota <= LOCKED_PAGES;
    if (!is_small && !is_last)
        quota = LOCKED_PAGES;
    sweep.refused = 0;
    bool is_done = quota == 0 || sweep_arena(number, ALL, &quota) || is_small;
    *purged = arena_totals.purged_pages - before;
    return is_done || is_last;
}

size_t purge_all(size_t keep_bytes)
{
    size_t keep = keep_bytes >> os_page_shift, purged = 0;
    for (uint32_t number = map_arena_end(); number-- > 0;) {
        bool is_done = false, is_refused = false;
        while (!is_done) {
            size_t portion;
            lock_acquire(&arena_lock);
            is_done = purge_portion(number, keep, is_refused, &portion);
            lock_release(&arena_lock);
            is_refused = portion == 0;
            purged += portion;
        }
    }
    return purged << os_page_shift;
}
