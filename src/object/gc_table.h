/* gc_table.h: what is known of a pool's objects beside their headers.
 *
 * A pool of tracked objects has a table from its first object on. A large object is a block of its
 * own, with a table for itself in front. The pool's record leads to the table.
 *
 *   old, middle, frozen   the generation: a bit a block. No bit: young (or no object). Old alone:
 *                         the oldest. With middle: the middle one. With frozen: permanent.
 *   white, due            of a collection that is going on: not known to be reachable (while it
 *                         deduces: a candidate); a finalizer that is due
 *
 * The owner clears an object's bits when it dies, or is revived by its finalizer. With another
 * thread they stay, and the table is stale: the next that looks at generations in a world that
 * stands still compares it with the headers (generation_refresh), so that what lies there is young.
 *
 * The lists of tables, and the tables' links in them, are under gc_table_lock. Who walks over them
 * holds it, and as long as it is held no pool goes that has a table or shared counts: the
 * allocator, which may be about to release one while it holds its own locks, never waits here. It
 * leaves the pool to whoever lets go of gc_table_lock next. */
#ifndef OBJECT_GC_TABLE_H
#define OBJECT_GC_TABLE_H

#include "header.h"

#include "alloc/map.h"
#include "alloc/pool.h"
#include "base/attributes.h"
#include "base/list.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum gc_bit { GC_OLD, GC_MIDDLE, GC_FROZEN, GC_WHITE, GC_DUE, GC_BITS };

struct gc_table {
    uintptr_t start;       /* of the first object */
    size_t block_bytes;    /* of an object, with its extra words */
    uint32_t reciprocal;   /* ceil(2^32 / block_bytes); 0 for a large object, so that all of
                              it is its first block */
    uint16_t capacity;     /* objects that fit */
    uint16_t words;        /* of a bitmap; 0 when the objects are untracked */
    struct pool *pool;     /* NULL for a large object */
    struct owner *owner;   /* whose objects they are */
    struct link all;       /* in the list of all tables */
    struct link young;     /* … of those that may have young objects */
    struct link middle;    /* … of those that may have middle ones */
    struct link stale;     /* … of those whose bits may belong to none that is old */
    atomic_bool is_stale;  /* in that list, as far as is known without gc_table_lock */
    struct gc_table *next; /* in the collection's list of candidates */
    uint64_t *white;       /* gc_table_words(GC_WHITE) */
    struct shadow *shadow; /* of an incremental collection (gc/incremental.h), or NULL */
    uint32_t numbered;     /* in a deduction: its first block's number / 64, plus 1 */
    bool is_gathered;      /* in the list already */
    /* The bitmaps follow. */
};

/* A large object's block: this, then the object. */
struct large {
    struct gc_table table;
    uint64_t bits[GC_BITS];              /* the table's */
    struct shared_counts *shared_counts; /* as a pool's */
    void *block;                         /* what malloc gave */
} CACHE_ALIGNED;

/* A visitor runs under gc_table_lock: if it makes or releases an object that may end here, with an
 * error. */
void gc_table_lock_acquire(void);
void gc_table_lock_release(void);
bool gc_table_lock_is_mine(void);

extern HIDDEN struct link gc_table_all, gc_table_young, gc_table_middle, gc_table_stale;

/* Bytes of the large objects that take part in collections. */
extern HIDDEN _Atomic size_t gc_table_large_bytes;

/* The table of a pool of tracked objects, made if there is none; NULL when there is no memory.
 */
struct gc_table *gc_table_of_pool(struct pool *pool);

/* Sets up the table in front of a large object, and takes it out of the lists again. */
void gc_table_init_large(struct large *large, struct owner *owner, size_t bytes, bool tracked);
void gc_table_remove_large(struct large *large);

/* The table may have young objects from now on. */
void gc_table_add_young(struct gc_table *table);

/* An old object dies, or is revived: its generation is forgotten. False: that is left to who looks
 * next, since the calling thread is not its owner. */
bool gc_table_forget_old(const void *object, uint64_t header, const struct owner *self);

/* All pools that the heap takes tracked objects from get a table, if one lacks it. False: no
 * memory.
 */
bool gc_table_complete(struct heap *heap);

/* What a collection that was broken off has left is forgotten. Under gc_table_lock. */
void gc_table_forget_collection(void);

/* While a forked child is repaired. So is what a thread that is gone has left. */
void gc_table_repair(void);

/* For alloc/hooks.h: the pool is out of the lists, with table and shared counts, as soon as nobody
 * holds gc_table_lock; then its memory goes back. */
void gc_table_pool_gone(struct pool *pool);

static inline struct large *large_of(const void *object)
{
    return (struct large *)(uintptr_t)object - 1;
}

/* The table of a tracked live object. */
static inline struct gc_table *gc_table_of(const void *object, uint64_t header)
{
    return UNLIKELY((header & HEADER_LARGE) != 0) ? &large_of(object)->table
                                                  : map_pool(object)->gc_table;
}

/* The table of a live object of any kind; NULL: it is untracked, and small. */
static inline struct gc_table *gc_table_if_any(const void *object)
{
    const struct pool *pool = map_pool(object);
    struct gc_table *table = pool->gc_table;
    if (LIKELY(table != NULL && (uintptr_t)object - table->start < POOL_BYTES))
        return table;
    if (pool_contains(pool, object) && pool_state(pool) != POOL_NONE)
        return NULL;
    return &large_of(object)->table;
}

/* ceil(2^32 / block_bytes): exact for all distances within a pool, and 0 for that of a large object
 * from itself. */
static inline uint32_t gc_table_reciprocal(size_t block_bytes)
{
    return (uint32_t)(((UINT64_C(1) << 32) + block_bytes - 1) / block_bytes);
}

/* Which of the table's objects it is. */
static inline unsigned gc_table_index(const struct gc_table *table, const void *object)
{
    return (unsigned)(((uintptr_t)object - table->start) * table->reciprocal >> 32);
}

static inline void *gc_table_object(const struct gc_table *table, unsigned index)
{
    return (void *)(table->start + index * table->block_bytes);
}

static inline uint64_t *gc_table_words(struct gc_table *table, enum gc_bit bitmap)
{
    return (uint64_t *)(table + 1) + (size_t)bitmap * table->words;
}

static inline bool gc_table_test(struct gc_table *table, enum gc_bit bitmap, unsigned index)
{
    return (gc_table_words(table, bitmap)[index / 64] >> (index % 64) & 1) != 0;
}

static inline void gc_table_set(struct gc_table *table, enum gc_bit bitmap, unsigned index)
{
    gc_table_words(table, bitmap)[index / 64] |= UINT64_C(1) << (index % 64);
}

static inline void gc_table_unset(struct gc_table *table, enum gc_bit bitmap, unsigned index)
{
    gc_table_words(table, bitmap)[index / 64] &= ~(UINT64_C(1) << (index % 64));
}

static inline size_t gc_table_count(struct gc_table *table, enum gc_bit bitmap)
{
    size_t count = 0;
    for (unsigned w = 0; w < table->words; w++)
        count += (size_t)__builtin_popcountll(gc_table_words(table, bitmap)[w]);
    return count;
}

/* No object is there that has survived a collection. */
static inline void gc_table_forget(struct gc_table *table, unsigned index)
{
    gc_table_unset(table, GC_OLD, index);
    gc_table_unset(table, GC_MIDDLE, index);
    gc_table_unset(table, GC_FROZEN, index);
}

/* Blocks [0, gc_table_carved) of the pool exist. */
static inline unsigned gc_table_carved(const struct gc_table *table)
{
    return table->pool != NULL ? pool_carved(table->pool) : 1;
}

/* … and the words of a bitmap that have a bit for one. */
static inline unsigned gc_table_carved_words(const struct gc_table *table)
{
    return (gc_table_carved(table) + 63) / 64;
}

/* Those blocks of word w that exist. */
static inline uint64_t gc_table_existing(const struct gc_table *table, unsigned w)
{
    unsigned carved = gc_table_carved(table);
    if (carved >= (w + 1) * 64)
        return ~UINT64_C(0);
    return carved <= w * 64 ? 0 : (UINT64_C(1) << (carved - w * 64)) - 1;
}

#endif
