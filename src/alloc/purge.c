/* purge.c: the sweep. */
#include "purge.h"

#include "arena.h"
#include "map.h"

#include "base/bits.h"
#include "base/options.h"
#include "os/os.h"

/* A look at the clock may spend about a tenth of the time since the last one: the kernel takes
 * about 0.25 µs a page. */
#define PAGES_PER_MS 400u
#define PAGES_MIN 256u
#define PAGES_MAX 32768u

/* Under arena_lock. */
static struct {
    bool under_way;
    uint32_t next;       /* the arena it comes to next */
    uint64_t started_ms; /* when it began */
    uint64_t looked_ms;  /* the last look at the clock */
} sweep;

/* Returns the pages of `which` until `quota` is spent; clears their dirty bits. */
static size_t purge_pages(uint32_t number, uint64_t *which, size_t quota)
{
    unsigned count = arena_page_count();
    size_t purged = 0;
    for (unsigned end, first = bits_find(which, true, 0, count); first < count && purged < quota;
         first = bits_find(which, true, end, count)) {
        end = bits_find(which, false, first, count);
        if (end - first > quota - purged)
            end = first + (unsigned)(quota - purged);
        void *start = (void *)(map_arena_start(number) + ((uintptr_t)first << os_page_shift));
        if (!os_purge(start, (size_t)(end - first) << os_page_shift))
            break; /* locked memory: it stays dirty */
        arena_clean_pages(number, first, end);
        purged += end - first;
    }
    return purged;
}

/* One arena of the sweep; `eager` does not wait for a page to be old. */
static size_t sweep_arena(uint32_t number, bool eager, size_t quota)
{
    struct arena *arena = arena_by_number(number);
    uint64_t due[ARENA_PAGES_MAX / 64];
    uint64_t any = 0;
    for (unsigned w = 0; w < ARENA_PAGES_MAX / 64; w++) {
        uint64_t idle = arena->dirty[w] & ~arena->used[w];
        due[w] = eager ? idle : idle & arena->old[w];
        arena->old[w] = idle;
        any |= due[w];
    }
    return any == 0 ? 0 : purge_pages(number, due, quota);
}

static bool over_budget(void)
{
    return arena_totals.idle_pages << os_page_shift > options.dirty;
}

static size_t quota_since(uint64_t elapsed_ms)
{
    size_t quota = elapsed_ms < PAGES_MAX ? (size_t)elapsed_ms * PAGES_PER_MS : PAGES_MAX;
    if (quota < PAGES_MIN)
        quota = PAGES_MIN;
    return quota < PAGES_MAX ? quota : PAGES_MAX;
}

static void sweep_locked(uint64_t now_ms)
{
    if (!sweep.under_way) {
        if (!over_budget() && now_ms - sweep.started_ms < options.decay)
            return;
        sweep.under_way = true;
        sweep.next = 0;
        sweep.started_ms = now_ms;
    }
    size_t quota = quota_since(now_ms - sweep.looked_ms);
    while (sweep.next < map_arena_end()) {
        quota -= sweep_arena(sweep.next, over_budget(), quota);
        if (quota == 0)
            return; /* the same arena again: it may have more */
        sweep.next++;
    }
    sweep.under_way = false;
}

void purge_tick(uint64_t now_ms)
{
    if (__atomic_load_n(&arena_totals.idle_pages, __ATOMIC_RELAXED) == 0 || !lock_try(&arena_lock))
        return;
    sweep_locked(now_ms);
    sweep.looked_ms = now_ms;
    lock_release(&arena_lock);
}

size_t purge_all(size_t keep_bytes)
{
    size_t purged = 0;
    lock_acquire(&arena_lock);
    for (uint32_t number = map_arena_end(); number-- > 0;) {
        size_t idle = arena_totals.idle_pages, keep = keep_bytes >> os_page_shift;
        if (idle <= keep)
            break;
        purged += sweep_arena(number, true, idle - keep);
    }
    lock_release(&arena_lock);
    return purged << os_page_shift;
}
