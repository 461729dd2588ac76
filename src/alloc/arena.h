/* arena.h: the pages of the arenas: which are free, which were used before.
 *
 * The page bits (arena_record.h) are the truth; all else (free_slots, longest[], hints, counters)
 * follows from them. One lock covers all arenas. A thread that vanishes at any instruction (fork)
 * leaves at worst pages that are `used` by nobody.
 *
 * Pools take aligned slots, dirty ones first and at the lowest address; runs take the best fit.
 * Free neighbours need no joining: a bitmap has no borders. */
#ifndef ALLOC_ARENA_H
#define ALLOC_ARENA_H

#include "map.h"

#include "base/attributes.h"
#include "base/lock.h"
#include "base/tunables.h"
#include "os/os.h" // os_page_shift

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena_totals {
    size_t used_pages;
    size_t idle_pages;   /* dirty and free */
    size_t purged_pages; /* returned to the OS so far */
    size_t freed_pages;  /* that ceased to be used, so far */
};

extern HIDDEN struct lock arena_lock;
extern HIDDEN struct arena_totals arena_totals; /* written under the lock */

static inline unsigned arena_page_of(const void *p)
{
    return (unsigned)(((uintptr_t)p - map.base) % ARENA_BYTES >> os_page_shift);
}

static inline uintptr_t arena_page_address(uint32_t number, unsigned page)
{
    return map_arena_start(number) + ((uintptr_t)page << os_page_shift);
}

/* A free slot for a pool, or 0. Pages of it from *clean_page on read as zero. */
uintptr_t arena_take_slot(unsigned *clean_page);

/* Gives a slot back whose first `touched_bytes` may have been written, but for the pages whose bits
 * are set in `clean`. */
void arena_release_slot(uintptr_t start, size_t touched_bytes, unsigned clean);

/* Returns pages of a pool to the OS, those whose bits are set in `pages`; which of them read as
 * zero now. */
unsigned arena_purge_in_slot(uintptr_t start, unsigned pages);

/* `pages` free pages in a row at a multiple of `alignment` (a power of two, at least a page, at
 * most ARENA_BYTES), or 0. The pages become a run. `zero`: they read as zero, and those that did
 * so already are not touched. */
uintptr_t arena_take_run(size_t pages, size_t alignment, bool zero);

/* Frees the pages of a retired run. */
void arena_release_run(uintptr_t start);

/* Shrinks a run, or grows it into free pages behind it: false if they are not free. */
bool arena_resize_run(uintptr_t start, size_t pages);

/* ---- The runs of an arena's record, which change without the lock ---- */

static inline _Atomic uint16_t *arena_run_entry(const void *p)
{
    return &map_arena(map_arena_number(p))->runs[arena_page_of(p)];
}

/* The pages of the live run that starts at p, which lies in an arena; 0: none starts there. */
static inline size_t arena_run_pages(const void *p)
{
    if ((uintptr_t)p % os_page_bytes() != 0)
        return 0;
    uint16_t entry = atomic_load_explicit(arena_run_entry(p), memory_order_relaxed);
    return (entry & RUN_RETIRED) == 0 ? entry : 0;
}

/* The run that starts there is retired: it keeps its pages, but is no block any more. Its pages, or
 * 0: no live run starts there. Of two threads that come at once one is told 0. */
static inline size_t arena_retire_run(uintptr_t start)
{
    uint16_t pages = (uint16_t)arena_run_pages((void *)start);
    bool retired = pages != 0 && atomic_compare_exchange_strong_explicit(
                                     arena_run_entry((void *)start), &pages, pages | RUN_RETIRED,
                                     memory_order_relaxed, memory_order_relaxed);
    return retired ? pages : 0;
}

/* Makes a retired run of `pages` live again. */
static inline void arena_reuse_run(uintptr_t start, size_t pages)
{
    atomic_store_explicit(arena_run_entry((void *)start), (uint16_t)pages, memory_order_relaxed);
}

/* ---- All pages ---- */

/* The free pages [first, end) have been returned to the OS and read as zero. The caller holds the
 * lock. */
void arena_clean_pages(uint32_t number, unsigned first, unsigned end);

/* Whether slots and longest[] agree with the page bits. The caller holds the lock. For assertions.
 */
COLD bool arena_is_valid(uint32_t number);

/* Derives everything from the page bits again, in a forked child whose parent was changing them. */
void arena_repair(void);

/* Gives up the memory of all arenas without used pages, also for the limits that count mappings and
 * not pages; they come back when needed. Whether there were any. */
bool arena_drop_free(void);

/* map_limit, and dropped arenas lose their place in the reservation. */
void arena_limit(size_t address_limit, bool alone);

/* Whether p lies in a free page that has been part of a pool or run. For messages. */
bool arena_was_used(const void *p);

/* The run that p lies in: its start, pages and whether it is retired; false if there is none. For
 * messages. */
bool arena_find_run(const void *p, uintptr_t *start, size_t *pages, bool *retired);

#endif
