/* heap.h: the pools of one thread.
 *
 *   heap ── free[class]     the list malloc pops: the free blocks of the ACTIVE pool
 *        ── active[class]   that pool
 *        ── partial[class]  ring of PARTIAL pools: the first is the next to be ACTIVE
 *        ── runs            freed runs for the next requests (run.h)
 *        ── outbox          blocks of other heaps' pools, on their way to them (remote.h)
 *        ── pending         own pools in which other threads have left blocks (remote.h)
 *
 * free[class] may also hold blocks of the starter's pools (starter.h), while no pool of the class
 * is ACTIVE; malloc pops them like others, and free treats them as blocks of another heap.
 *
 * FULL pools hang nowhere: the frees of their blocks find them. A heap outlives its thread: it is
 * parked, and a later thread adopts it (registry.h). Only a parked heap's pools change hands
 * (registry.h), and their former owner passes on the blocks that still reach it (remote.h), so a
 * pool's owner can be read without a lock.
 *
 * A pool's owner is its heap, a heap's owner the thread that has it. Only the owner changes a heap,
 * but for `pending` and for what a claim does in its place (claim.h). `slow_paths` tells a forked
 * child whether the heap was being changed, so that no thread may adopt it; and it tells another
 * thread whether what it has read of the lists holds (proof.h). The fast paths need no such mark:
 * each commits with one store. */
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
    HEAP_SHARED, /* blocks come from it that no thread owns (shared.h) */
    HEAP_DEAD,   /* in a forked child: its thread was inside a slow path; never touched again */
};

/* Whether another thread works on the heap (claim.h). */
enum { CLAIM_NONE, CLAIM_ASKED, CLAIM_TAKEN };

struct owner;
struct thread;

/* What a heap profile samples of the heap's blocks (sample.h). Invariant, for each class with an
 * ACTIVE pool: that pool's `left` <= left <= until. */
struct sampler {
    size_t mean;                 /* 0: nothing, and no block in the heap's lists is marked */
    uint64_t random;             /* the state of its random numbers; 0: none yet */
    uint32_t until[CLASS_COUNT]; /* the number of the block that is marked next, counted from when
                                    `left` was set; 0: none yet */
    uint16_t left[CLASS_COUNT];  /* what the ACTIVE pool's `left` was set to */
};

/* A chain of blocks of one pool of another heap, which is handed over as a whole. The slot has a
 * copy of what the pool's record tells of an address, so that a free that adds to the chain does
 * not wait for a cache line that the pool's owner writes to. */
struct outbox_slot {
    uintptr_t start; /* of the pool */
    uint64_t magic;  /* the pool's */
    uint64_t limit;  /* the pool's when the chain was begun or last checked; 0: takes no block */
    struct block_list chain;
    struct block *last;
    struct pool *pool;
    uint64_t room; /* for so many blocks more */
} CACHE_ALIGNED;

/* What the heap has for each class, for those of objects: from OBJECT_CLASS_FIRST on. */
struct object_lists {
    struct block_list free[OBJECT_CLASS_COUNT];
    uint32_t active[OBJECT_CLASS_COUNT];
    uint32_t partial[OBJECT_CLASS_COUNT];
    uint32_t until[OBJECT_CLASS_COUNT]; /* as in struct sampler */
    uint16_t left[OBJECT_CLASS_COUNT];
    struct owner *owner; /* what src/object keeps of the heap, or NULL */
};

/* Invariants, for each class c, outside of slow paths:
 *
 *   active[c] == 0   ⇒  free[c] is empty, or holds blocks of the starter (heap_is_starting)
 *   active[c] != 0   ⇒  that pool is ACTIVE, and its `list` == &free[c]
 *   a pool is in the ring partial[c]  ⇒  it is PARTIAL, of class c, and its `heap` == number
 *   slow_paths is odd  ⇔  the owner, or a thread that works in its place, is inside a slow path
 *
 * Times are in milliseconds of os_now_ms. */
struct heap {
    /* What the fast paths use. */
    struct block_list free[CLASS_COUNT]; /* the lists that malloc pops */
    uint8_t class_of[TABLE_MAX + 1]; /* size to class: here, so that malloc finds both at once */
    uint32_t active[CLASS_COUNT];    /* pool numbers, 0 is none */
    uint32_t partial[CLASS_COUNT];   /* pool numbers: the first of the ring */

    /* What the heap is. */
    uint16_t number;       /* its place in the address map */
    _Atomic uint8_t state; /* enum heap_state */
    uint32_t slow_paths;   /* beginnings and ends of slow paths so far */
    uint32_t next_parked;  /* in the queue of parked heaps: numbers, 0 is none */
    uint32_t prev_parked;
    uint64_t started; /* a bit for each class that had its first blocks from the starter */

    /* Flags. */
    bool has_objects; /* `objects` is set up */
    bool is_reaped;   /* parked, and emptied since other threads last freed blocks of it */
    bool tick_due;    /* the slow path ends with a tick (tick.h) */
    bool ticks_again; /* memory is left to return: the next tick works, however soon it comes */
    bool is_digging;  /* a round of dig_holes is under way */

    /* Ticks. */
    uint32_t tick_frees;   /* frees of a class between two ticks */
    uint64_t ticked_ms;    /* the last tick; of a parked heap: when it was parked */
    uint64_t called_ms;    /* ticked_ms + 1 when another thread has called for the next tick */
    size_t small_limit;    /* the thread's while its fast paths are open: TABLE_MAX + 1; 0: the next
                              malloc ticks */
    uint64_t released_ms;  /* the first tick after the last heap_arm; 0: it is still to come */
    size_t released_bytes; /* given back since the last heap_arm */

    /* Pages from within pools (dig.h). */
    uint64_t dig_began_ms; /* when the last round began */
    size_t dig_quota;      /* what the round may spend until the next tick */
    uint32_t dig_round;    /* the number of the round under way, or 0 … */
    uint32_t dig_class;    /* … and the class that it has come to */

    /* Other threads that work in the owner's place (claim.h). */
    _Atomic uint32_t claim;          /* CLAIM_NONE, … */
    int thread_id;                   /* the owner's, as the kernel numbers it … */
    _Atomic(struct thread *) thread; /* … and its thread_self; NULL: cannot be claimed */
    uint32_t tidied;                 /* slow_paths when a claim last left nothing to do */

    uint64_t outbox_used; /* a bit for each slot that is not empty */
    struct run_cache runs;
    struct sampler sampler;
    CACHE_ALIGNED _Atomic uint32_t pending; /* stack of own pools with a chain from other threads */
    /* On pages of its own: a thread that frees no blocks of other threads does not touch them. */
    _Alignas(1 << PAGE_SHIFT_MIN) struct outbox_slot outbox[OUTBOX_SLOTS];
    /* On pages of its own: only threads that make objects touch them. */
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

/* Whether the blocks of free[class] are the starter's. Any thread may ask; of the heap of another
 * thread the answer may be old. */
bool heap_is_starting(const struct heap *heap, unsigned size_class);

static inline uintptr_t heap_cookie(const struct heap *heap)
{
    return (uintptr_t)heap->number << COOKIE_SHIFT;
}

/* Whether a thread is inside a slow path of the heap: its own, or one that works in its place. */
static inline bool heap_is_busy(const struct heap *heap)
{
    return __atomic_load_n(&heap->slow_paths, __ATOMIC_RELAXED) % 2 != 0;
}

/* Begins a slow path, unless one has begun. */
static inline void heap_begin_slow(struct heap *heap)
{
    heap->slow_paths |= 1;
    atomic_signal_fence(memory_order_seq_cst);
}

/* Ends the slow path. */
static inline void heap_end_slow(struct heap *heap)
{
    DEBUG_ASSERT(heap_is_busy(heap));
    atomic_signal_fence(memory_order_seq_cst);
    heap->slow_paths++;
}

/* Makes zeroed memory a heap without pools. */
void heap_init(struct heap *heap, uint32_t number);

/* Sets up the lists for objects, once. */
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

/* A pool that was PARTIAL, and hangs nowhere any more, becomes FULL: it has no room. */
void heap_note_full(struct pool *pool);

/* A pool that hangs nowhere becomes ACTIVE; the class has no other. */
void heap_activate(struct heap *heap, struct pool *pool);

/* The ACTIVE pool, whose list is empty, becomes FULL, or PARTIAL if it has room. */
void heap_deactivate(struct heap *heap, struct pool *pool);

/* ---- Blocks that come back ---- */

/* `left` of an own pool came down to 0: a tick is due (ACTIVE), or the pool is empty (PARTIAL), or
 * it becomes PARTIAL (FULL). */
void heap_pool_drained(struct heap *heap, struct pool *pool);

/* Frees a block of an own pool that the fast path did not take. */
void heap_free_slow(struct heap *heap, struct pool *pool, struct block *block);

/* Takes back a chain of `count` blocks that other threads have freed. */
void heap_take_chain(struct heap *heap, struct pool *pool, struct block *first, struct block *last,
                     unsigned count);

/* Takes back a FULL pool that was emptied (remote.h): other threads have freed all its blocks. */
void heap_take_emptied(struct heap *heap, struct pool *pool);

/* A pool of the class with free blocks changes from the heap, which is parked, to `to`; NULL if
 * there is none. The caller makes it ACTIVE at once: `left` does not count its live blocks. */
struct pool *heap_give_pool(struct heap *heap, const struct heap *to, unsigned size_class);

/* The pool changes from the heap, which is parked, to `to`, as it is. */
void heap_move_pool(struct heap *heap, struct heap *to, struct pool *pool);

/* Makes the next malloc and the next free of each class tick: much memory was released, and a
 * program that does little from now on shall return it all the same. The malloc's tick is apart
 * from the frees': a burst of frees does not use it up. */
void heap_arm(struct heap *heap);

/* Counts `bytes` that went back to the arenas or as a huge block, or that may go back from within
 * pools; calls heap_arm when they are many. */
void heap_note_released(struct heap *heap, size_t bytes);

/* Whether the class's pools are in the states and places they should be. For assertions. */
COLD bool heap_class_is_valid(struct heap *heap, unsigned size_class);

/* Gives an empty pool that hangs nowhere back to the arenas. */
void heap_release_pool(struct pool *pool);

/* Whether blocks may leave the list of an ACTIVE pool other than by malloc. Not while the caller
 * may be a signal handler that has interrupted a fast path of the heap's thread: that path has read
 * the list's first blocks, and is about to write one of them back. */
bool heap_may_shorten_lists(const struct heap *heap);

/* Gives ACTIVE pools without live blocks back to the arenas: the pool of the class, or, where their
 * lists may be shortened, all. */
void heap_release_if_empty(struct heap *heap, unsigned size_class);
void heap_release_empty(struct heap *heap);

#endif
