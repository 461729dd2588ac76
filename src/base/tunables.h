/* tunables.h: every constant that shapes the heap, and what they must satisfy together.
 *
 * The address space, from large to small:
 *
 *   window   up to 16 TiB    every pool and run lies in it; one index into the pool table a pool
 *   arena    4 MiB           the step in which the window becomes usable memory
 *   pool     64 KiB          blocks of one size class
 *   page     the OS page     what runs are made of, and the step in which a pool is carved
 */
#ifndef BASE_TUNABLES_H
#define BASE_TUNABLES_H

#include <stddef.h>
#include <stdint.h>

#define WINDOW_SHIFT_MAX 44
#define WINDOW_SHIFT_MIN 28
/* Unless an option says otherwise the window has room for this many times the machine's memory. In
 * address space its tables take a 390th of that, and 768 MiB for heaps: of 256 GiB a 182nd. */
#define WINDOW_PER_MEMORY 8

/* The pool table serves this much of the window at first, with 8 MiB of records: what mlockall
 * brings in. */
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

/* With this much memory a heap the arenas grow by huge pages: by an eighth at first. A run may be
 * touched only here and there, so it takes more memory, and large runs and those of calloc take
 * none. */
#define HUGE_PAGE_BYTES ((size_t)2 << 20)
#define HUGE_PAGES_FROM ((size_t)16 << 20)
#define HUGE_PAGES_FROM_FOR_RUNS ((size_t)32 << 20)
#define HUGE_PAGE_RUN_MAX ((size_t)256 << 10)
/* Huge blocks from this size on ask for them. */
#define HUGE_PAGE_BLOCK_MIN ((size_t)4 << 20)

/* Untouched memory that will soon be used is had by several pages at a time, which takes half the
 * time a page: in pools of classes that have filled one, and runs up to this size. */
#define POPULATE_PAGES 4u
#define POPULATE_RUN_MAX ((size_t)256 << 10)

/* Memory that grows beyond its peak by this part of it, or by this much, first gives back what is
 * free. */
#define GROWTH_PARTS 16
#define GROWTH_STEP_MIN ((size_t)1 << 20)

/* Blocks up to BLOCK_MAX bytes live in pools, up to RUN_MAX in runs, above in huge mappings. */
#define BLOCK_MAX ((size_t)32 << 10)
#define RUN_MAX ((size_t)2 << 20)

/* Sizes up to this find their class in a table indexed by the size itself. */
#define TABLE_MAX ((size_t)1024)

/* Two heaps' cookies differ by a multiple of this: more than any offset inside a pool, so one
 * comparison tells both the owner and the offset (see pool.h). */
#define COOKIE_SHIFT 17

/* A heap's first blocks of a class, up to this size, come from pools that all heaps share: so many
 * bytes of them, at least one block. Where blocks are no larger than a pair of cache lines they
 * fill lines, so that threads have none in common. */
#define START_BLOCK_MAX ((size_t)4 << 10)
#define START_BYTES ((size_t)512)
#define START_LINES_MAX ((size_t)128)

/* Blocks of other threads' pools that a thread gathers before it hands them over. */
#define OUTBOX_SLOTS 64
#define OUTBOX_BLOCKS 64
#define OUTBOX_BYTES ((size_t)4 << 10)

/* Freed runs that a heap keeps for its next ones. */
#define RUN_CACHE_SLOTS 8u
#define RUN_CACHE_BYTES ((size_t)512 << 10)

/* Frees between two looks at the clock, while there is memory to return. */
#define TICK_FREES_MAX 4096u
/* … and while it was released lately: the program may become quiet before it has gone back. */
#define TICK_FREES_AFTER_RELEASE 256u
/* A heap that has released this much looks at the clock at once. */
#define ARM_BYTES ((size_t)1 << 20)

/* Spans of huge blocks (span.h): what may be lost to whole huge pages, how many freed ones are
 * kept, how much address space a block that is moved finds behind it, and for how many places it
 * asks. */
#define SPAN_SLACK_PARTS 8
#define SPAN_PIECES 32
#define SPAN_ROOM_TIMES 8
#define SPAN_ROOM_MAX ((size_t)64 << 30)
#define SPAN_PLACES_TRIED 8

_Static_assert(OUTBOX_SLOTS == 64, "an outbox's slots fit the bits of one word");
_Static_assert(ARENA_POOLS == 64, "an arena's pools fit the bits of one word");
_Static_assert(BLOCK_MAX * 2 <= POOL_BYTES, "a pool holds two blocks of the largest class");
_Static_assert(ARENA_BYTES % HUGE_PAGE_BYTES == 0, "an arena is made of whole huge pages");
_Static_assert(RUN_MAX * 2 <= ARENA_BYTES, "an arena holds two of the largest runs");
_Static_assert(((size_t)1 << PAGE_SHIFT_MAX) <= POOL_BYTES, "a pool is made of whole pages");
_Static_assert(((size_t)1 << COOKIE_SHIFT) >= 2 * POOL_BYTES, "cookies keep heaps apart");

#endif
