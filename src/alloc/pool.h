/* pool.h: 64 KiB of blocks of one size class, and the record that describes them.
 *
 * The record lies in the address map's table, out of reach of any overrun of a block. A pool is
 * carved page by page from its start: blocks [0, carved) exist, the rest is untouched.
 *
 *   ACTIVE   malloc takes from it: its free blocks hang in the heap's slot for the class
 *   PARTIAL  in the heap's list for the class: its free blocks hang in `own`, or none is free but
 *            there is room
 *   FULL     hangs nowhere, since too few of its blocks are free to be worth a turn; when a batch
 *            of them is (pool_batch), it becomes PARTIAL
 *   NONE     not a pool: free pages, a part of a run, or no memory at all
 *
 *              exhausted                 a batch is free
 *   ACTIVE ----------------> FULL ----------------------> PARTIAL ----> NONE
 *      ^  \----------------------------------------------^   |    all free
 *      |        exhausted, but there is room     |
 *      +-----------------------------------------------------+ chosen by malloc
 *
 * Pages of a pool may go back to the OS while blocks on its other pages are live: these pages are
 * holes (hole.h). In the states above holes are room, like pages that are not carved.
 *
 * `list` always holds the address of the list that a freed block joins, so a free by the owner
 * pushes without asking which state the pool is in. Only the owner writes to the first cache line;
 * blocks that other threads free gather in `remote`, on a line of its own.
 *
 * One comparison in free() tells everything. With magic = floor(2^64 / size) + 1,
 *
 *     (p + cookie of the thread - origin) * magic  <  limit     (mod 2^64)
 *
 * holds exactly if p is the start of a carved block of this pool and the pool belongs to this
 * thread: origin is the pool's start plus its owner's cookie, so the sum is the offset of p in the
 * pool; for offset = n * size the product is n * step, where step = magic * size mod 2^64 is at
 * most size; limit is carved * step. For any other offset below 2^48 the product has a part of at
 * least magic >= 2^49 in it. A wrong owner moves the offset by a multiple of 2^COOKIE_SHIFT, an
 * address that only shares the record by a multiple of the table's reach (map.h); the cookies span
 * less than half of that, so the two never cancel. (The divisibility test is that of Lemire, Kaser
 * and Kurz, "Faster remainder by direct computation", 2019.) */
#ifndef ALLOC_POOL_H
#define ALLOC_POOL_H

#include "block.h"
#include "size_class.h" // OBJECT_CLASS_FIRST

#include "base/attributes.h"
#include "base/tunables.h"
#include "os/os.h" // os_page_shift

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gc_table;
struct shared_counts;

enum pool_state { POOL_NONE, POOL_ACTIVE, POOL_PARTIAL, POOL_FULL };

/* Invariants, where |own| is the number of blocks that hang in `own`, |holes| of those in holes:
 *
 *   carved <= capacity,  capacity * block bytes <= POOL_BYTES,  start % POOL_BYTES == 0
 *   limit == 0, or the limit of pool_open_blocks
 *   ACTIVE    list != &own,  |own| == 0
 *   PARTIAL   list == &own,  |own| + |holes| + left == carved
 *   FULL      list == &own,  |own| + left == pool_batch,  |holes| == 0
 */
struct pool {
    uintptr_t origin;        /* start + the owner's cookie */
    uint64_t magic;          /* tells a block's start from its inside */
    uint64_t limit;          /* carved * step, or less: frees of the blocks behind are slow */
    struct block_list *list; /* where a freed block goes: &own or the heap's slot */
    struct block_list own;   /* free blocks of a pool that is not ACTIVE */
    uint32_t left;           /* frees to the next slow one: ACTIVE: to the next tick;
                                PARTIAL: live blocks; FULL: rest of the batch */
    _Atomic uint16_t carved; /* blocks that exist */
    uint16_t capacity;       /* blocks that fit */
    _Atomic uint16_t heap;   /* the owner's number */
    uint8_t size_class;      /* of its blocks */
    _Atomic uint8_t state;   /* enum pool_state */
    uint32_t next, prev;     /* ring of the heap's PARTIAL pools: numbers, 0 is none */
    uint8_t clean_page;      /* pages from here on are known to be zero */
    uint8_t bare_page;       /* … and from here on to have no memory; else POOL_PAGES_MAX */
    uint16_t block_eighths;  /* a block's bytes / 8 */
    CACHE_ALIGNED _Atomic uint64_t remote; /* chain of blocks that other threads have freed: count
                                              above 48 bits of address */
    struct block *remote_last;             /* of the chain: written by the thread that began it,
                                              before it tells the owner */
    uint32_t pending_next;                 /* in the owner's stack of pools with a chain */
    _Atomic uint16_t holes;                /* a bit for each page that has been given back */
    uintptr_t start;                       /* its address; other threads read it here, since an
                                              owner may change and with it `origin` */
    struct gc_table *gc_table;             /* what src/object knows of its objects, or NULL */
    struct shared_counts *shared_counts;   /* … and of other threads' references to them */
    uint32_t dig_round;                    /* the last round of dig_holes (dig.h) … */
    uint32_t dig_state;                    /* … and the pool as it was then */
} CACHE_ALIGNED;

_Static_assert(sizeof(struct pool) == (size_t)2 * CACHE_LINE, "the owner's line and the others'");

static inline unsigned pool_heap(const struct pool *pool)
{
    return atomic_load_explicit(&pool->heap, memory_order_relaxed);
}

/* The pool belongs to the heap from now on. Meanwhile no other thread's free takes the pool for an
 * own one, since the new cookie is not that thread's. */
static inline void pool_set_heap(struct pool *pool, unsigned heap)
{
    atomic_store_explicit(&pool->heap, (uint16_t)heap, memory_order_relaxed);
    __atomic_store_n(&pool->origin, pool->start + ((uintptr_t)heap << COOKIE_SHIFT),
                     __ATOMIC_RELAXED);
}

static inline size_t pool_block_bytes(const struct pool *pool)
{
    return (size_t)pool->block_eighths * 8;
}

static inline unsigned pool_carved(const struct pool *pool)
{
    return atomic_load_explicit(&pool->carved, memory_order_relaxed);
}

static inline enum pool_state pool_state(const struct pool *pool)
{
    return (enum pool_state)atomic_load_explicit(&pool->state, memory_order_relaxed);
}

static inline void pool_set_state(struct pool *pool, enum pool_state state)
{
    atomic_store_explicit(&pool->state, (uint8_t)state, memory_order_relaxed);
}

static inline bool pool_contains(const struct pool *pool, const void *p)
{
    return (uintptr_t)p - pool->start < POOL_BYTES;
}

/* The `limit` that tells the first `blocks` blocks from all other addresses: blocks * step. */
static inline uint64_t pool_limit(const struct pool *pool, size_t blocks)
{
    return blocks * (pool->magic * pool_block_bytes(pool));
}

/* Whether p is the start of a carved block. Any thread may ask. */
static inline bool pool_has_block(const struct pool *pool, const void *p)
{
    return ((uintptr_t)p - pool->start) * pool->magic < pool_limit(pool, pool_carved(pool));
}

static inline unsigned pool_holes(const struct pool *pool)
{
    return atomic_load_explicit(&pool->holes, memory_order_relaxed);
}

/* Whether blocks can still be made in the pool: carved, or out of holes. */
static inline bool pool_has_room(const struct pool *pool)
{
    return pool_carved(pool) < pool->capacity || pool_holes(pool) != 0;
}

/* Whether the block's link leads to a block of the pool, or is that of the last one. */
static inline bool pool_has_link(const struct pool *pool, const struct block *block)
{
    const struct block *next = block_next(block);
    return next != NULL ? pool_contains(pool, next) && pool_has_block(pool, next)
                        : block_is_last(block);
}

/* Whether the first word of p, the start of a carved block, looks like a free block's: it has the
 * mark, and leads to a block of the pool or to none. A live block's may do so as well (proof.h). */
static inline bool pool_block_looks_free(const struct pool *pool, const void *p)
{
    return block_is_marked(p) && pool_has_link(pool, p);
}

/* Free blocks that make a FULL pool worth a turn: at most a 32nd of it. */
static inline unsigned pool_batch(const struct pool *pool)
{
    return pool->capacity >= 64 ? pool->capacity / 32u : 1;
}

/* The live blocks of a pool that is not ACTIVE, those in its chain included. */
static inline unsigned pool_live(const struct pool *pool)
{
    uint32_t left = __atomic_load_n(&pool->left, __ATOMIC_RELAXED);
    return pool_state(pool) == POOL_FULL ? pool_carved(pool) - (pool_batch(pool) - left) : left;
}

/* Whether the blocks are objects: the fast path of free is never open for them. */
static inline bool pool_has_objects(const struct pool *pool)
{
    return pool->size_class >= OBJECT_CLASS_FIRST;
}

/* How many blocks, from the first on, the fast path of free is open for: those before the first
 * hole; of objects none. */
static inline size_t pool_open_blocks(const struct pool *pool)
{
    if (pool_has_objects(pool))
        return 0;
    unsigned holes = pool_holes(pool);
    return LIKELY(holes == 0)
               ? pool_carved(pool)
               : ((size_t)__builtin_ctz(holes) << os_page_shift) / pool_block_bytes(pool);
}

/* Opens the fast path of free for the blocks that are carved by now. */
static inline void pool_open(struct pool *pool)
{
    __atomic_store_n(&pool->limit, pool_limit(pool, pool_open_blocks(pool)), __ATOMIC_RELAXED);
}

/* Makes every free of the pool's blocks take a slow path. */
static inline void pool_close(struct pool *pool)
{
    __atomic_store_n(&pool->limit, 0, __ATOMIC_RELAXED);
}

/* Makes a slot of free pages a pool without blocks. `clean_page`: its pages from there on read as
 * zero. */
void pool_init(struct pool *pool, uintptr_t start, unsigned size_class, unsigned heap,
               unsigned clean_page);

/* Makes the record that of a slot which is no pool. */
void pool_clear(struct pool *pool);

/* From now on pages of the pool that have no memory yet get it several at a time, as it is carved:
 * the pool is expected to be filled. */
void pool_populate_ahead(struct pool *pool);

/* Carves blocks to the end of the next page, at least one, and returns them as a list. Sets *zero
 * when it is one block whose bytes behind the link are zero. There must be room. */
struct block *pool_carve(struct pool *pool, bool *zero);

/* Carves `count` more blocks of a PARTIAL pool, which count as live from now on, and returns them
 * as a list in the order of their addresses. There must be room. */
struct block *pool_carve_live(struct pool *pool, unsigned count);

/* Counts the free blocks of a list, at most the pool's capacity; stops at a link that leads out of
 * the pool (another thread may be changing the list). */
unsigned pool_count_list(const struct pool *pool, const struct block *list);

#endif
