/* tunables.h: every constant that shapes the heap, and what they must satisfy together.
 *
 * The address space, from large to small:
 *
 *   window   up to 16 TiB    all arenas lie in it; the pool table has a record for each pool of it
 *   arena    4 MiB           the step in which the window becomes usable memory
 *   pool     64 KiB          blocks of one size class
 *   page     the OS page     what runs are made of, and the step in which a pool is carved */
#ifndef BASE_TUNABLES_H
#define BASE_TUNABLES_H

#include <stddef.h>
#include <stdint.h>

#define WINDOW_SHIFT_MAX 44
#define WINDOW_SHIFT_MIN 28
/* The window has room for this many times the machine's memory, unless an option says otherwise.
 * Its tables take a 390th of the window's address space, and 768 MiB for heaps: together a 182nd of
 * a window of 256 GiB. */
#define WINDOW_PER_MEMORY 8

/* The pool table serves this much of the window at first, by 8 MiB of records. That is what
 * mlockall makes resident. */
#define REACH_SHIFT_MIN 32

#define ARENA_SHIFT 22
#define ARENA_BYTES ((size_t)1 << ARENA_SHIFT)

#define POOL_SHIFT 16
#define POOL_BYTES ((size_t)1 << POOL_SHIFT)
#define ARENA_POOLS (ARENA_BYTES / POOL_BYTES)

#define PAGE_SHIFT_MIN 12
#define PAGE_SHIFT_MAX 16
#define ARENA_PAGES_MAX (ARENA_BYTES >> PAGE_SHIFT_MIN)
#define POOL_PAGES_MAX (POOL_BYTES >> PAGE_SHIFT_MIN)

/* A transparent huge page (THP). With THP_FROM bytes of memory a heap the arenas grow by THPs: by
 * an eighth at first. A run may be touched only here and there, so runs take THPs from more memory
 * on, and large runs and those of calloc take none. */
#define THP_BYTES ((size_t)2 << 20)
#define THP_FROM ((size_t)16 << 20)
#define THP_FROM_FOR_RUNS ((size_t)32 << 20)
#define THP_RUN_MAX ((size_t)256 << 10)
/* Huge blocks from this size on ask for THPs. */
#define THP_HUGE_MIN ((size_t)4 << 20)

/* Untouched memory that will soon be used is populated several pages at a time, which takes half
 * the time for each page: in pools of classes that have filled one before, and in runs up to this
 * size. */
#define POPULATE_PAGES 4u
#define POPULATE_RUN_MAX ((size_t)256 << 10)

/* When memory has grown beyond its peak by a part of it, or by a MiB if that is more, free memory
 * is given back first (peak.h). */
#define PEAK_PARTS 16
#define PEAK_STEP_MIN ((size_t)1 << 20)

/* Blocks up to BLOCK_MAX bytes lie in pools, up to RUN_MAX in runs, larger ones have a mapping of
 * their own. */
#define BLOCK_MAX ((size_t)32 << 10)
#define RUN_MAX ((size_t)2 << 20)

/* Sizes up to this find their class in a table indexed by the size itself. */
#define TABLE_MAX ((size_t)1024)

/* Two heaps' cookies differ by a multiple of 1 << COOKIE_SHIFT. That is more than any offset inside
 * a pool, so one comparison tells both the owner and the offset (pool.h). */
#define COOKIE_SHIFT 17

/* A heap's first blocks of a class, if it is of no more than START_BLOCK_MAX bytes, come from pools
 * that all heaps share: START_BYTES bytes of them, and one block at least. Blocks of up to
 * START_LINES_MAX bytes, a pair of cache lines, are taken by whole lines, so that two threads share
 * none. */
#define START_BLOCK_MAX ((size_t)4 << 10)
#define START_BYTES ((size_t)512)
#define START_LINES_MAX ((size_t)128)

/* Blocks of other threads' pools that a thread gathers before it hands them over: how many pools at
 * a time, and blocks and bytes for each. */
#define OUTBOX_SLOTS 64
#define OUTBOX_BLOCKS 64
#define OUTBOX_BYTES ((size_t)4 << 10)

/* Freed runs that a heap keeps for its next ones: how many, and bytes in all. */
#define RUN_CACHE_SLOTS 8u
#define RUN_CACHE_BYTES ((size_t)512 << 10)

/* The most frees between two ticks (tick.h). */
#define TICK_FREES_MAX 4096u
/* … and while memory was released lately: the program may become quiet before that has gone back.
 */
#define TICK_FREES_AFTER_RELEASE 256u
/* A heap that has released this much ticks at once. */
#define ARM_BYTES ((size_t)1 << 20)

/* Spans of huge blocks (span.h). */
#define SPAN_SLACK_PARTS 8 /* an 8th of a block may be lost to whole THPs */
#define SPAN_PIECES 32     /* freed spans that are kept */
#define SPAN_ROOM_TIMES 8  /* a block that is moved gets so many times its size of addresses, */
#define SPAN_ROOM_MAX ((size_t)64 << 30) /* up to this */
#define SPAN_PLACES_TRIED 8              /* places that are asked for, for one block */

_Static_assert(OUTBOX_SLOTS == 64, "an outbox's slots fit the bits of one word");
_Static_assert(ARENA_POOLS == 64, "an arena's pools fit the bits of one word");
_Static_assert(BLOCK_MAX * 2 <= POOL_BYTES, "a pool holds two blocks of the largest class");
_Static_assert(ARENA_BYTES % THP_BYTES == 0, "an arena is made of whole THPs");
_Static_assert(RUN_MAX * 2 <= ARENA_BYTES, "an arena holds two of the largest runs");
_Static_assert(((size_t)1 << PAGE_SHIFT_MAX) <= POOL_BYTES, "a pool is made of whole pages");
_Static_assert(((size_t)1 << COOKIE_SHIFT) >= 2 * POOL_BYTES, "cookies keep heaps apart");

#endif
