/* heap.h: the pools of one thread.
 *
 *   heap ── free[class]     the list malloc pops: the free blocks of the ACTIVE pool
 *        ── active[class]   that pool
 *        ── partial[class]  ring of PARTIAL pools: the first is the next to be ACTIVE
 *        ── runs            freed runs for the next ones (run.h)
 *        ── outbox          blocks of other heaps' pools, on their way home (remote.h)
 *        ── pending         own pools in which other threads have left blocks (remote.h)
 *
 * free[class] may also hold blocks of the starter's pools (registry.h), while no pool of the class
 * is ACTIVE; they are popped like others, and freed as a stranger's.
 *
 * FULL pools hang nowhere: the frees find them. A heap outlives its thread: it is parked and
 * adopted by a later one (thread.h). Only a parked heap's pools change hands (registry.h), and a
 * former owner passes on what still reaches it (remote.h), so a pool's owner can be read without a
 * lock.
 *
 * Only the owner touches a heap, but for `pending`. `slow_paths` says whether the owner is inside a
 * slow path: a forked child must not adopt it then. It also tells another thread whether what it
 * has read of the lists holds (proof.h). The fast paths need no mark, they commit with one store.
 */
#ifndef ALLOC_HEAP_H
#define ALLOC_HEAP_H

#include "block.h"
#include "pool.h"
#include "run.h"        // struct run_cache
#include "size_class.h" // CLASS_COUNT

#include "base/assert.h"
#include "base/attributes.h"
#include "base/tunables.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum heap_state {
    HEAP_NONE, /* not made yet */
    HEAP_OWNED,
    HEAP_PARKED,
    HEAP_STARTER, /* the one that others' first blocks come from (registry.h) */
    HEAP_DEAD,    /* in a forked child: its thread was inside a slow path; never touched again */
};

/* Whether another thread works on the heap (claim.h). */
enum { CLAIM_NONE, CLAIM_ASKED, CLAIM_TAKEN };

struct owner;
struct thread;

/* Blocks of one foreign pool: a chain that is handed over as a whole. The slot knows what the
 * pool's record would say of an address, so that a free that joins the chain does not wait for a
 * line that the owner writes on. */
struct outbox_slot {
    uintptr_t start; /* of the pool */
    uint64_t magic;  /* the pool's */
    uint64_t limit;  /* what the pool's was lately; 0: no block may join */
    struct block_list chain;
    struct block *last;
    struct pool *pool;
    uint64_t room; /* blocks that may still join */
} CACHE_ALIGNED;

/* The same three for the classes of objects, from OBJECT_CLASS_FIRST on. */
struct object_lists {
    struct block_list free[OBJECT_CLASS_COUNT];
    uint32_t active[OBJECT_CLASS_COUNT];
    uint32_t partial[OBJECT_CLASS_COUNT];
    struct owner *owner; /* what src/object keeps of the heap, or NULL */
};

struct heap {
    struct block_list free[CLASS_COUNT]; /* of the ACTIVE pools */
    uint8_t class_of[TABLE_MAX + 1]; /* size to class: here, so that malloc finds both at once */
    uint32_t active[CLASS_COUNT];    /* pool numbers, 0 is none */
    uint32_t partial[CLASS_COUNT];   /* the ring's first */
    uint16_t number;                 /* its place in the address map */
    _Atomic uint8_t state;           /* enum heap_state */
    uint32_t slow_paths;             /* their beginnings and ends: odd inside of one */
    uint32_t next_parked;            /* in the queue of parked heaps */
    uint32_t prev_parked;
    bool has_objects;      /* `objects` is set up */
    bool settled;          /* parked, and emptied since blocks last came home */
    bool tick_due;         /* time for a look at the clock (tick.h) */
    uint32_t tick_frees;   /* frees of a class between two looks */
    uint64_t looked_ms;    /* the last look; of a parked heap: when it was parked */
    uint64_t called_ms;    /* another thread has called for a look since that one, and 1 */
    size_t small_limit;    /* the thread's while its fast paths are open: TABLE_MAX + 1; 0: its next
                              malloc looks at the clock */
    uint64_t released_ms;  /* the first look after the last arming; 0: it is still to come */
    uint64_t dug_ms;       /* when the last look for pages to give back from pools began; */
    bool digs;             /* … it is under way, */
    size_t dig_quota;      /* … and may take this much at once */
    bool tidies;           /* more is to be returned at the next look, however soon that is */
    size_t released_bytes; /* given back since the last arming (heap_arm) */
    uint32_t dig_round;    /* the look for holes that is under way (dig.h), or 0 … */
    uint32_t dig_class;    /* … and the class that it has come to */
    uint64_t outbox_used;  /* a bit for each slot that is not empty */
    _Atomic uint32_t claim;          /* CLAIM_NONE, … */
    int thread_id;                   /* the owner's, as the kernel numbers it … */
    _Atomic(struct thread *) thread; /* … and its fast paths' words; NULL: cannot be claimed */
    uint32_t tidied;                 /* slow_paths when others have last left nothing to do */
    uint64_t started; /* … for each class that had its first blocks from the starter */
    struct run_cache runs;
    CACHE_ALIGNED _Atomic uint32_t pending; /* stack of own pools with a chain from others */
    /* On pages of its own: a thread that frees no other's blocks does not touch them. */
    _Alignas(1 << PAGE_SHIFT_MIN) struct outbox_slot outbox[OUTBOX_SLOTS];
    /* So are these: for threads that make objects. */
    _Alignas(1 << PAGE_SHIFT_MIN) struct object_lists objects;
};

/* ---- A class's place in the heap, whichever kind it is of ---- */

static inline struct block_list *heap_free_list(struct heap *heap, unsigned size_class)
{
    return size_class < CLASS_COUNT ? &heap->free[size_class]
                                    : &heap->objects.free[size_class - OBJECT_CLASS_FIRST];
}

static inline uint32_t *heap_active(struct heap *heap, unsigned size_class)
{
    return size_class < CLASS_COUNT ? &heap->active[size_class]
                                    : &heap->objects.active[size_class - OBJECT_CLASS_FIRST];
}

static inline uint32_t *heap_partial(struct heap *heap, unsigned size_class)
{
    return size_class < CLASS_COUNT ? &heap->partial[size_class]
                                    : &heap->objects.partial[size_class - OBJECT_CLASS_FIRST];
}

static inline enum heap_state heap_state(const struct heap *heap)
{
    return (enum heap_state)atomic_load_explicit(&heap->state, memory_order_acquire);
}

/* Whether free[class] is a list of blocks from the starter, of no own pool. Any thread may ask: of
 * another's heap the answer may be old. */
bool heap_is_starting(const struct heap *heap, unsigned size_class);

static inline uintptr_t heap_cookie(const struct heap *heap)
{
    return (uintptr_t)heap->number << COOKIE_SHIFT;
}

/* Whether the owner, or who empties a parked heap, is inside a slow path. */
static inline bool heap_is_busy(const struct heap *heap)
{
    return __atomic_load_n(&heap->slow_paths, __ATOMIC_RELAXED) % 2 != 0;
}

/* A slow path begins, if it has not begun yet. */
static inline void heap_begin_slow(struct heap *heap)
{
    heap->slow_paths |= 1;
    atomic_signal_fence(memory_order_seq_cst);
}

/* It ends; it must have begun. */
static inline void heap_end_slow(struct heap *heap)
{
    DEBUG_ASSERT(heap_is_busy(heap));
    atomic_signal_fence(memory_order_seq_cst);
    heap->slow_paths++;
}

/* Makes zeroed memory a heap without pools. */
void heap_init(struct heap *heap, uint32_t number);

/* Sets the lists for objects up. */
void heap_prepare_objects(struct heap *heap);

/* ---- Pools of a class ---- */

/* A new pool without blocks, which hangs nowhere yet; NULL when there is no memory. */
struct pool *heap_make_pool(struct heap *heap, unsigned size_class);

/* A PARTIAL pool with free blocks, which hangs nowhere any more; NULL if there is none. */
struct pool *heap_take_partial(struct heap *heap, unsigned size_class);

/* The next PARTIAL pool, when none has free blocks: it has room, and hangs nowhere any more. NULL
 * if there is none. */
struct pool *heap_take_with_room(struct heap *heap, unsigned size_class);

/* A new pool becomes PARTIAL, and the first of the ring. */
void heap_put_first(struct heap *heap, struct pool *pool);

/* A pool that hangs nowhere becomes ACTIVE; the class has no other. */
void heap_activate(struct heap *heap, struct pool *pool);

/* The ACTIVE pool, whose list is empty, becomes FULL, or PARTIAL if it has room. */
void heap_retire(struct heap *heap, struct pool *pool);

/* ---- Blocks that come back ---- */

/* `left` of an own pool came down to 0: a look at the clock is due, or the pool is empty, or no
 * longer FULL. */
void heap_pool_drained(struct heap *heap, struct pool *pool);

/* A block of an own pool was freed that looked freed already, or inside a slow path. */
void heap_free_slow(struct heap *heap, struct pool *pool, struct block *block);

/* Takes back a chain of `count` blocks that others have freed. */
void heap_take_chain(struct heap *heap, struct pool *pool, struct block *first, struct block *last,
                     unsigned count);

/* Takes back a FULL pool of which others have freed every block. */
void heap_take_emptied(struct heap *heap, struct pool *pool);

/* A pool of the class with free blocks leaves the heap, which is parked, and is `to`'s from now on,
 * which has to make it ACTIVE at once: `left` does not count its live blocks. NULL if there is
 * none. */
struct pool *heap_give_pool(struct heap *heap, const struct heap *to, unsigned size_class);

/* A pool changes from a heap, which is parked, to `to`; the caller is about to free a block of
 * it. */
void heap_move_pool(struct heap *heap, struct heap *to, struct pool *pool);

/* Makes the next malloc and the next free of each class look at the clock: after much memory was
 * released, so that even a program that does little from now on returns it. The many frees that may
 * still come do not use up the malloc's look. */
void heap_arm(struct heap *heap);

/* Counts `bytes` that went back to the arenas (or as a huge block), or may go back from within
 * pools; arms when it is much. */
void heap_note_released(struct heap *heap, size_t bytes);

/* Whether the class's pools are in the states and places they should be. For assertions. */
COLD bool heap_class_is_valid(struct heap *heap, unsigned size_class);

/* Gives an empty pool that hangs nowhere back to the arenas. */
void heap_release_pool(struct pool *pool);

/* Releases ACTIVE pools without live blocks: that of the class, or all. */
void heap_release_if_empty(struct heap *heap, unsigned size_class);
void heap_release_empty(struct heap *heap);

#endif
