/* side.h: what is known of a pool's objects beside their headers.
 *
 * A pool of tracked objects has a side from its first object on. A large object is a block of its
 * own, with a side for itself in front. The pool's record leads to the side.
 *
 *   old, middle, frozen   the generation: a bit a block. No bit: young (or no object). Old alone:
 *                         the oldest. With middle: the middle one. With frozen: permanent.
 *   white, due            of a collection that is going on: not known to be reachable (while it
 *                         deduces: a candidate); a finalizer that is due
 *
 * The owner clears an object's bits when it dies, or is revived by its finalizer. With another
 * thread they stay, and the side is stale: the next that looks at generations in a world that
 * stands still compares it with the headers (generation_refresh), so that what lies there is young.
 *
 * The lists of sides, and the sides' links in them, are under side_lock. Who walks over them holds
 * it, and as long as it is held no pool goes that has a side or shares: the allocator, which may be
 * about to release one while it holds its own locks, never waits here. It leaves the pool to
 * whoever lets go of side_lock next. */
#ifndef OBJECT_SIDE_H
#define OBJECT_SIDE_H

#include "header.h"

#include "alloc/map.h"
#include "alloc/pool.h"
#include "base/attributes.h"
#include "base/list.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum side_bitmap { SIDE_OLD, SIDE_MIDDLE, SIDE_FROZEN, SIDE_WHITE, SIDE_DUE, SIDE_BITMAPS };

struct side {
    uintptr_t start;           /* of the first object */
    size_t block_bytes;        /* of an object, with its extra words */
    uint32_t reciprocal;       /* ceil(2^32 / block_bytes); 0 for a large object, so that all of
                                  it is its first block */
    uint16_t capacity;         /* objects that fit */
    uint16_t words;            /* of a bitmap; 0 when the objects are untracked */
    struct pool *pool;         /* NULL for a large object */
    struct owner *owner;       /* whose objects they are */
    struct link all;           /* in the list of all sides */
    struct link young;         /* … of those that may have young objects */
    struct link middle;        /* … of those that may have middle ones */
    struct link stale;         /* … of those whose bits may belong to none that is old */
    atomic_bool is_stale;      /* in that list, as far as is known without side_lock */
    struct side *next;         /* in the collection's list of candidates */
    uint64_t *white;           /* side_bits(SIDE_WHITE) */
    struct proposal *proposal; /* of an incremental collection (propose.h), or NULL */
    uint32_t numbered;         /* in a deduction: its first block's number / 64, plus 1 */
    bool is_gathered;          /* in the list already */
    /* The bitmaps follow. */
};

/* A large object's block: this, then the object. */
struct large {
    struct side side;
    uint64_t bits[SIDE_BITMAPS]; /* the side's */
    struct shares *shares;       /* as a pool's */
    void *block;                 /* what malloc gave */
} CACHE_ALIGNED;

/* A visitor runs under side_lock: if it makes or releases an object that may end here, with an
 * error. */
void side_lock_acquire(void);
void side_lock_release(void);
bool side_lock_is_mine(void);

extern HIDDEN struct link side_all, side_young, side_middle, side_stale;

/* Bytes of the large objects that take part in collections. */
extern HIDDEN _Atomic size_t side_large_bytes;

/* The side of a pool of tracked objects, made if there is none; NULL when there is no memory.
 */
struct side *side_of_pool(struct pool *pool);

/* Sets up the side in front of a large object, and takes it out of the lists again. */
void side_init_large(struct large *large, struct owner *owner, size_t bytes, bool tracked);
void side_remove_large(struct large *large);

/* The side may have young objects from now on. */
void side_add_young(struct side *side);

/* An old object dies, or is revived: its generation is forgotten. False: that is left to who looks
 * next, since the calling thread is not its owner. */
bool side_forget_old(const void *object, uint64_t header, const struct owner *self);

/* All pools that the heap takes tracked objects from get a side, if one lacks it. False: no memory.
 */
bool side_complete(struct heap *heap);

/* What a collection that was broken off has left is forgotten. Under side_lock. */
void side_forget_collection(void);

/* While a forked child is repaired. So is what a thread that is gone has left. */
void side_repair(void);

/* For alloc/hooks.h: the pool is out of the lists, with side and shares, as soon as nobody holds
 * side_lock; then its memory goes back. */
void side_pool_gone(struct pool *pool);

static inline struct large *large_of(const void *object)
{
    return (struct large *)(uintptr_t)object - 1;
}

/* The side of a tracked live object. */
static inline struct side *side_of(const void *object, uint64_t header)
{
    return UNLIKELY((header & HEADER_LARGE) != 0) ? &large_of(object)->side
                                                  : map_pool(object)->side;
}

/* The side of a live object of any kind; NULL: it is untracked, and small. */
static inline struct side *side_if_any(const void *object)
{
    const struct pool *pool = map_pool(object);
    struct side *side = pool->side;
    if (LIKELY(side != NULL && (uintptr_t)object - side->start < POOL_BYTES))
        return side;
    if (pool_contains(pool, object) && pool_state(pool) != POOL_NONE)
        return NULL;
    return &large_of(object)->side;
}

/* ceil(2^32 / block_bytes): exact for all distances within a pool, and 0 for that of a large object
 * from itself. */
static inline uint32_t side_reciprocal(size_t block_bytes)
{
    return (uint32_t)(((UINT64_C(1) << 32) + block_bytes - 1) / block_bytes);
}

/* Which of the side's objects it is. */
static inline unsigned side_index(const struct side *side, const void *object)
{
    return (unsigned)(((uintptr_t)object - side->start) * side->reciprocal >> 32);
}

static inline void *side_object(const struct side *side, unsigned index)
{
    return (void *)(side->start + index * side->block_bytes);
}

static inline uint64_t *side_bits(struct side *side, enum side_bitmap bitmap)
{
    return (uint64_t *)(side + 1) + (size_t)bitmap * side->words;
}

static inline bool side_test(struct side *side, enum side_bitmap bitmap, unsigned index)
{
    return (side_bits(side, bitmap)[index / 64] >> (index % 64) & 1) != 0;
}

static inline void side_set(struct side *side, enum side_bitmap bitmap, unsigned index)
{
    side_bits(side, bitmap)[index / 64] |= UINT64_C(1) << (index % 64);
}

static inline void side_unset(struct side *side, enum side_bitmap bitmap, unsigned index)
{
    side_bits(side, bitmap)[index / 64] &= ~(UINT64_C(1) << (index % 64));
}

static inline size_t side_count(struct side *side, enum side_bitmap bitmap)
{
    size_t count = 0;
    for (unsigned w = 0; w < side->words; w++)
        count += (size_t)__builtin_popcountll(side_bits(side, bitmap)[w]);
    return count;
}

/* No object is there that has survived a collection. */
static inline void side_forget(struct side *side, unsigned index)
{
    side_unset(side, SIDE_OLD, index);
    side_unset(side, SIDE_MIDDLE, index);
    side_unset(side, SIDE_FROZEN, index);
}

/* Blocks [0, side_carved) of the pool exist. */
static inline unsigned side_carved(const struct side *side)
{
    return side->pool != NULL ? pool_carved(side->pool) : 1;
}

/* … and the words of a bitmap that have a bit for one. */
static inline unsigned side_carved_words(const struct side *side)
{
    return (side_carved(side) + 63) / 64;
}

/* Those blocks of word w that exist. */
static inline uint64_t side_existing(const struct side *side, unsigned w)
{
    unsigned carved = side_carved(side);
    if (carved >= (w + 1) * 64)
        return ~UINT64_C(0);
    return carved <= w * 64 ? 0 : (UINT64_C(1) << (carved - w * 64)) - 1;
}

#endif
