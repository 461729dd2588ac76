/* gc_table.h: GC tables: the bits that collections keep of objects, beside the pools.
 *
 * A pool of tracked objects has a table from its first object on, to which the pool's record leads.
 * A large object is a block of its own, with a table for that one object in front (struct large).
 * A table has a bitmap for each of these bits, in which each block of the pool has one:
 *
 *   old  middle  frozen
 *    0     0       0      the young generation, or no object is there
 *    1     1       0      the middle generation
 *    1     0       0      the oldest generation
 *    1     -       1      the permanent generation (molt_gc_freeze)
 *
 *   white, due   a collection's: the object is not known to be reachable; its finalizer is to run
 *
 * Between collections `old` equals the flag HEADER_OLD of the object, but where the table is stale.
 * The owner's thread clears the three bits of an object that dies, or that its finalizer revives.
 * Any other thread clears the flag alone, and makes the table stale: the collector puts it right
 * in a stopped world (generation_refresh), so that a new object in the block is young.
 *
 * gc_table_lock guards the lists of tables, with the tables' links in them. While a thread holds
 * it, no pool goes that has a table or shared counts. The allocator may be about to release such a
 * pool under locks of its own, so it never waits for gc_table_lock: it leaves the pool to the
 * thread that releases that lock next (gc_table_pool_gone). */
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
    uintptr_t start;       /* address of the first block */
    size_t block_bytes;    /* bytes of an object with its extra words */
    uint32_t reciprocal;   /* (address - start) * reciprocal >> 32 is a block's index */
    uint16_t capacity;     /* blocks that fit */
    uint16_t words;        /* 64-bit words of a bitmap; 0 for an untracked large object */
    struct pool *pool;     /* NULL for a large object */
    struct owner *owner;   /* owner of the objects */
    struct link all;       /* in gc_table_all */
    struct link young;     /* in gc_table_young: tables that may have young objects */
    struct link middle;    /* in gc_table_middle: tables that may have middle ones */
    struct link stale;     /* in gc_table_stale: tables with bits that may be wrong */
    atomic_bool is_stale;  /* linked by `stale`, for a reader without gc_table_lock */
    struct gc_table *next; /* the collector's: list of candidates; or tables to be freed */
    uint64_t *white;       /* gc_table_words(GC_WHITE) */
    struct shadow *shadow; /* the collector's: notes of an incremental cycle, or NULL */
    uint32_t numbered;     /* the collector's: number of the first block / 64, plus 1; or 0 */
    bool is_gathered;      /* the collector's: linked by `next` already */
    /* The bitmaps follow: GC_BITS times `words`. */
};

/* What lies in front of a large object. */
struct large {
    struct gc_table table;
    uint64_t bits[GC_BITS];              /* the table's bitmaps, a word each */
    struct shared_counts *shared_counts; /* the object's, or NULL */
    void *block;                         /* the block of malloc in which all this lies */
} CACHE_ALIGNED;

/* The program's visitors and traverse callbacks run under gc_table_lock. One of them that makes or
 * releases an object may come to gc_table_lock_acquire, which stops the program with an error. */
void gc_table_lock_acquire(void);
void gc_table_lock_release(void);
bool gc_table_lock_is_mine(void);

extern HIDDEN struct link gc_table_all, gc_table_young, gc_table_middle, gc_table_stale;

/* Bytes of all tracked large objects. */
extern HIDDEN _Atomic size_t gc_table_large_bytes;

/* The table of a pool of tracked objects, made if there is none. NULL: no memory. */
struct gc_table *gc_table_of_pool(struct pool *pool);

/* Sets up the zeroed table in front of a large object, and adds it to the list of all. */
void gc_table_init_large(struct large *large, struct owner *owner, size_t bytes, bool tracked);

/* Takes the table of a large object that dies out of all lists. */
void gc_table_remove_large(struct large *large);

/* The table may have young objects from now on. */
void gc_table_add_young(struct gc_table *table);

/* Clears the generation of an old object that dies or is revived. False: the calling thread is not
 * the owner, so the table is stale instead. */
bool gc_table_forget_old(const void *object, uint64_t header, const struct owner *self);

/* Makes the tables that the heap's pools of tracked objects lack. False: no memory. */
COLD bool gc_table_complete(struct heap *heap);

/* Clears what a collection that was broken off has noted in the tables. Under gc_table_lock. */
COLD void gc_table_forget_collection(void);

/* While a forked child is repaired: makes the lists whole that a vanished thread was changing. */
COLD void gc_table_repair(void);

/* The allocator's hook (alloc/hooks.h): as soon as no thread holds gc_table_lock, the pool's table
 * leaves all lists, its shared counts go with it, and the pool is given back. */
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

/* The table of any live object; NULL: the object is untracked, and not large. */
static inline struct gc_table *gc_table_if_any(const void *object)
{
    const struct pool *pool = map_pool(object);
    struct gc_table *table = pool->gc_table;
    if (LIKELY(table != NULL && (uintptr_t)object - table->start < POOL_BYTES))
        return table;
    if (pool_contains(pool, object) && pool_state(pool) != POOL_NONE && pool_has_objects(pool))
        return NULL;
    return &large_of(object)->table;
}

/* ceil(2^32 / block_bytes), which gives the exact index for all distances within a pool. (A large
 * object's table has a reciprocal of 0: its index is 0, wherever in the object an address lies.) */
static inline uint32_t gc_table_reciprocal(size_t block_bytes)
{
    return (uint32_t)(((UINT64_C(1) << 32) + block_bytes - 1) / block_bytes);
}

/* The index of the object's block in its table. */
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

/* The block's object, if there is one, is young from now on. Old goes last: in a child that is
 * forked in between the other bits would be those of the next object that gets old there. */
static inline void gc_table_forget(struct gc_table *table, unsigned index)
{
    gc_table_unset(table, GC_FROZEN, index);
    gc_table_unset(table, GC_MIDDLE, index);
    atomic_signal_fence(memory_order_release);
    gc_table_unset(table, GC_OLD, index);
}

/* Blocks [0, gc_table_carved) exist; a pool's others have not been carved yet. */
static inline unsigned gc_table_carved(const struct gc_table *table)
{
    return table->pool != NULL ? pool_carved(table->pool) : 1;
}

/* The words of a bitmap that have bits for existing blocks. */
static inline unsigned gc_table_carved_words(const struct gc_table *table)
{
    return (gc_table_carved(table) + 63) / 64;
}

/* A bit for each existing block of word w. */
static inline uint64_t gc_table_existing(const struct gc_table *table, unsigned w)
{
    unsigned carved = gc_table_carved(table);
    if (carved >= (w + 1) * 64)
        return ~UINT64_C(0);
    return carved <= w * 64 ? 0 : (UINT64_C(1) << (carved - w * 64)) - 1;
}

#endif
