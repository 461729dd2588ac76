/* map.h: the address map: from any address to the record that describes it.
 *
 * All pools and runs lie in one window of address space, in a range that is aligned to its size, a
 * power of two. An address finds its pool's record by its bits alone, without asking whether it
 * lies in the window:
 *
 *     record = pools + (address / 64 KiB) mod (number of slots)
 *
 * The slots are those of the first part of the range, the table's reach. Every address has a record
 * there, NULL, stack and foreign mappings included; reading it is always safe (untouched parts read
 * as zero), and pool.h's comparison fails unless the record really describes the address.
 *
 *     range    |      base: arena 0, 1, 2 ...  |                      |           |
 *     table    [ read only ][ writable ][ r.o. ][ unreadable until the reach doubles ]
 *              |<----------- reach ----------->|
 *
 * What lies beyond the reach costs nothing, even in a process that locks its memory. Before an
 * arena there is handed out, the next part of the table is made readable, and then a mask with one
 * more bit is stored. Other threads read the mask at any time, without order:
 *
 *   - An address within the old reach has the same record by either mask: its new bit is 0.
 *   - An address beyond it finds, by the old mask, the record of another slot, which does not
 *     describe it. No thread looks up a live block by the old mask: the block was handed out after
 *     the new mask was stored, and came to other threads after that. A wild pointer takes the slow
 *     path, where map_pool_around finds that the record does not describe the address, either.
 *   - A thread that vanishes in between (fork) leaves a part of the table readable that no mask
 *     leads to. If the kernel refuses to make the part readable, the arena is not handed out. A
 *     signal handler finds one mask or the other.
 *
 * Where the OS grants it, the window is reserved at the start, and made usable arena by arena.
 * Under RLIMIT_AS a reservation would use up the limit: there the window is only a place where
 * arenas are mapped one by one. The tables are one mapping: pool records, arena records, longest[],
 * heaps; of the latter three only the parts in use can be read. */
#ifndef ALLOC_MAP_H
#define ALLOC_MAP_H

#include "arena_record.h"
#include "pool.h"

#include "base/lock.h"
#include "base/tunables.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct heap;

struct map {
    char *pools;                /* the pool records that addresses find */
    uintptr_t pool_mask;        /* (slots within reach - 1) * sizeof(struct pool) */
    struct pool *records;       /* the table's start: what pool numbers count from */
    uintptr_t base;             /* of the window */
    size_t bytes;               /* its size; 0 until map_init */
    unsigned shift;             /* log2 of the aligned range's size */
    struct arena *arenas;       /* arena records, by map_arena_number */
    uint16_t *longest;          /* per arena: no free range has more pages than this */
    uint32_t arena_max;         /* arenas that the window has room for */
    _Atomic uint32_t arena_end; /* arenas [0, arena_end) of the window have been made usable */
    uint32_t reach_end;         /* arenas up to here are within reach */
    uint32_t records_end;       /* arenas up to here have writable records */
    bool reserved;              /* the window is reserved: arenas need only be committed */
    char *heaps;                /* heap structs, HEAP_STRIDE apart */
    uint32_t heap_max;          /* the highest heap number */
    _Atomic uint32_t heap_end;  /* heaps up to this number are writable */
    size_t metadata_bytes;      /* committed in the tables */
};

extern HIDDEN struct map map;

/* Guards all changes of what is within reach or writable; the functions below acquire it. */
extern HIDDEN struct lock map_lock;

/* Sets up window and tables; false when the OS gives no memory. */
bool map_init(void);

/* The process is about to limit its address space: gives back what is only reserved, but for the
 * tables of a window of that size. From now on arenas are mapped one by one. `alone`: no other
 * thread can be inside free, so the tables' reach may be made smaller, too. */
void map_limit(size_t address_limit, bool alone);

/* Calls the function for each part of the tables that may have memory: whole pages. */
void map_each_table(void (*visit)(const void *start, size_t bytes, void *context), void *context);

/* Makes the next arena's memory and records usable; its number, or UINT32_MAX. */
uint32_t map_add_arena(void);

/* Gives up a free arena's memory, so that no limit counts it; and gets it back. */
bool map_drop_arena(uint32_t number);
bool map_restore_arena(uint32_t number);

/* Makes the record of the next heap writable; NULL when there is no memory or no number left. */
struct heap *map_add_heap(uint32_t *number);

#define HEAP_STRIDE ((size_t)12288)

static inline struct heap *map_heap(uint32_t number)
{
    return (struct heap *)(map.heaps + number * HEAP_STRIDE);
}

/* ---- Pools ---- */

#define POOL_RECORD_SHIFT 7
_Static_assert(sizeof(struct pool) == 1u << POOL_RECORD_SHIFT, "map_pool shifts by the record");

/* The record that describes p, if any does; see above. */
static ALWAYS_INLINE struct pool *map_pool(const void *p)
{
    return (struct pool *)(map.pools +
                           (((uintptr_t)p >> (POOL_SHIFT - POOL_RECORD_SHIFT)) & map.pool_mask));
}

/* The pool that p lies in; NULL if it lies in none. Any address may be asked for. */
static inline struct pool *map_pool_around(const void *p)
{
    struct pool *pool = map_pool(p);
    return pool_contains(pool, p) && pool_state(pool) != POOL_NONE ? pool : NULL;
}

/* A pool's number, for links in 32 bits: never 0. */
static inline uint32_t map_pool_number(const struct pool *pool)
{
    return (uint32_t)(((uintptr_t)pool - (uintptr_t)map.records) >> POOL_RECORD_SHIFT) + 1;
}

/* NULL for 0. */
static inline struct pool *map_pool_by_number(uint32_t number)
{
    return number == 0 ? NULL : map.records + (number - 1);
}

/* ---- Arenas ---- */

static inline bool map_in_window(const void *p)
{
    return (uintptr_t)p - map.base < map.bytes;
}

/* Arenas are numbered in the order of their addresses, from the window's base. */
static inline uint32_t map_arena_number(const void *p)
{
    return (uint32_t)(((uintptr_t)p - map.base) >> ARENA_SHIFT);
}

static inline struct arena *map_arena(uint32_t number)
{
    return &map.arenas[number];
}

static inline uintptr_t map_arena_start(uint32_t number)
{
    return map.base + ((uintptr_t)number << ARENA_SHIFT);
}

static inline uint32_t map_arena_end(void)
{
    return atomic_load_explicit(&map.arena_end, memory_order_acquire);
}

/* Whether p lies in an arena that has been made usable: then its records may be read. */
static inline bool map_in_arena(const void *p)
{
    return map_in_window(p) && map_arena_number(p) < map_arena_end();
}

#endif
