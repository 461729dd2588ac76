/* arena.h: taking and releasing the pages of the arenas.
 *
 * Pools take aligned slots of 64 KiB, dirty ones first, and at the lowest address; runs take the
 * best fit (fit.h). Free neighbours need no joining: a bitmap has no borders.
 *
 * One lock covers all arenas. A thread that vanishes at any instruction (fork) leaves at worst
 * pages that are `used` but belong to no pool or run.
 *
 *   arena_totals.used_pages  ==  pages that are used
 *   arena_totals.idle_pages  ==  pages that are dirty and not used */
#ifndef ALLOC_ARENA_H
#define ALLOC_ARENA_H

#include "map.h"

#include "base/attributes.h"
#include "base/lock.h"
#include "base/tunables.h"
#include "os/os.h" // os_page_shift

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena_totals {
    size_t used_pages;
    size_t idle_pages;
    size_t purged_pages; /* returned to the OS so far */
    size_t freed_pages;  /* released so far: they ceased to be used */
};

extern HIDDEN struct lock arena_lock;
extern HIDDEN struct arena_totals arena_totals; /* written under the lock */

/* Memory that arena_totals counts as used, and that the OS has back all the same: holes (hole.h)
 * and emptied pools (remote.h). */
extern HIDDEN _Atomic size_t arena_gone_bytes;

static inline void arena_note_gone(size_t bytes)
{
    atomic_fetch_add_explicit(&arena_gone_bytes, bytes, memory_order_relaxed);
}

/* It is memory again, or no longer used. */
static inline void arena_note_back(size_t bytes)
{
    atomic_fetch_sub_explicit(&arena_gone_bytes, bytes, memory_order_relaxed);
}

static inline unsigned arena_page_of(const void *p)
{
    return (unsigned)(((uintptr_t)p - map.base) % ARENA_BYTES >> os_page_shift);
}

static inline uintptr_t arena_page_address(uint32_t number, unsigned page)
{
    return map_arena_start(number) + ((uintptr_t)page << os_page_shift);
}

/* Takes a slot for a pool; 0 when there is no memory. Its pages from *clean_page on read as zero.
 */
uintptr_t arena_take_slot(unsigned *clean_page);

/* Releases a slot whose first `touched_bytes` may have been written to, but for the pages whose
 * bits are set in `clean`: these read as zero. */
void arena_release_slot(uintptr_t start, size_t touched_bytes, unsigned clean);

/* Returns those pages of a pool to the OS whose bits are set in `pages`. The bits of those that
 * read as zero now: the OS may refuse some. */
unsigned arena_purge_in_slot(uintptr_t start, unsigned pages);

/* Takes `pages` pages in a row at a multiple of `alignment` (a power of two, at least a page, at
 * most ARENA_BYTES) for a run; 0 when there is no memory. `zero`: all are made zero, and those that
 * are zero already are not touched. */
uintptr_t arena_take_run(size_t pages, size_t alignment, bool zero);

/* Releases the pages of a retired run. */
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

/* Retires the run that starts there: it keeps its pages, but is no block from now on. Its pages, or
 * 0: no live run starts there. Of two threads that free a run at the same time one is told 0. */
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

/* The free pages [first, end) have been returned to the OS, and read as zero. The caller holds the
 * lock. */
void arena_clean_pages(uint32_t number, unsigned first, unsigned end);

/* Whether slots and longest[] agree with the page bits. The caller holds the lock. For assertions.
 */
COLD bool arena_is_valid(uint32_t number);

/* In a forked child whose parent was changing them: derives all else from the page bits again. */
void arena_repair(void);

/* Gives up the memory of all arenas without used pages, so that limits which count mapped memory do
 * not count it. Such an arena comes back when it is needed. Whether there were any. */
bool arena_drop_free(void);

/* map_limit; and the places of dropped arenas, which the reservation has kept, are given up. */
void arena_limit(size_t address_limit, bool alone);

/* Whether p lies in a free page that has been part of a pool or a run. For messages. */
bool arena_was_used(const void *p);

/* The run that p lies in: its start, pages and whether it is retired; false if there is none. For
 * messages. */
bool arena_find_run(const void *p, uintptr_t *start, size_t *pages, bool *retired);

#endif
