/* numbering.h: consecutive numbers for all blocks of the tables that one deduction works on.
 *
 *   a pool's table    blocks 0 … 129    numbers   0 … 129, and up to 191 unused
 *   the next table    blocks 0 … 70     numbers 192 … 262, and up to 319 unused
 *   a large object    block  0          number  320, and up to 383 unused
 *
 * A number is the index into the deduction's arrays (gc_refs, marks). They lie together in scratch
 * memory, so that following references through a large heap misses the cache less often than if
 * each target's GC table were read. An address leads to the number through `entries`, a hash table
 * of the pools by the low bits of their addresses; for large objects, and where another pool has
 * the entry, numbering_slow asks the GC table. Objects of other tables have no number. */
#ifndef GC_NUMBERING_H
#define GC_NUMBERING_H

#include "base/tunables.h"
#include "object/gc_table.h"

/* A numbered pool, in the hash table. */
struct pool_entry {
    uint32_t pool;       /* 1 + the pool's address / POOL_BYTES; 0: the entry is empty */
    uint32_t first_word; /* the first block's number / 64 */
    uint32_t reciprocal; /* the GC table's */
    uint32_t padding;    /* to 16 bytes, so that an index becomes an address by a shift */
};

/* Bitmaps of 64 blocks. */
struct marks {
    uint64_t white; /* candidates that are not known to be reachable */
    uint64_t leaf;  /* candidates that refer to no numbered object */
};

struct numbering {
    struct pool_entry *entries;
    uintptr_t entry_mask; /* the number of entries, a power of two, less 1 */
    struct marks *marks;  /* of blocks 64 * i … 64 * i + 63 at index i */
    void **stack;         /* memory for a mark stack: an object for each number, and one more */
};

extern HIDDEN struct numbering numbering;

/* Numbers the blocks of the tables, linked by `next`; all gc_refs are 0. False: no memory. */
bool numbering_begin(struct gc_table *tables);
void numbering_end(struct gc_table *tables);

#define NUMBER_NONE SIZE_MAX

struct numbered_pool;

/* numbering_of and numbering_pool through the object's GC table. */
size_t numbering_slow(const void *target);
struct numbered_pool numbering_pool_slow(const void *object);

/* The entry of the pool around an address; NULL: that pool has none. */
static ALWAYS_INLINE const struct pool_entry *numbering_entry(uintptr_t address)
{
    uintptr_t pool = address >> POOL_SHIFT;
    const struct pool_entry *entry = &numbering.entries[pool & numbering.entry_mask];
    return LIKELY(entry->pool == pool + 1) ? entry : NULL;
}

/* The number of a live object, or NUMBER_NONE. */
static ALWAYS_INLINE size_t numbering_of(const void *target)
{
    uintptr_t address = (uintptr_t)target;
    const struct pool_entry *entry = numbering_entry(address);
    if (LIKELY(entry != NULL))
        return (size_t)entry->first_word * 64 + (address % POOL_BYTES * entry->reciprocal >> 32);
    return numbering_slow(target);
}

/* A pool, for finding the numbers of many objects in it. */
struct numbered_pool {
    uintptr_t start;     /* the pool's address; 1: no pool, which has no object in it */
    uint32_t reciprocal; /* the GC table's */
    size_t first;        /* the first block's number */
};

/* The pool of a numbered table; of a large object none, since references to itself are rare. */
static inline struct numbered_pool numbering_of_table(const struct gc_table *table)
{
    return (struct numbered_pool){table->pool != NULL ? table->start : 1, table->reciprocal,
                                  (size_t)(table->numbered - 1) * 64};
}

/* The pool of a live object; its start is 1 if the object is large or has no number. */
static inline struct numbered_pool numbering_pool(const void *object)
{
    uintptr_t address = (uintptr_t)object;
    const struct pool_entry *entry = numbering_entry(address);
    if (LIKELY(entry != NULL))
        return (struct numbered_pool){address - address % POOL_BYTES, entry->reciprocal,
                                      (size_t)entry->first_word * 64};
    return numbering_pool_slow(object);
}

/* The marks of the pool's first 64 blocks; those of the others follow. */
static inline struct marks *numbering_marks(const struct numbered_pool *pool)
{
    return &numbering.marks[pool->first / 64];
}

static ALWAYS_INLINE bool numbered_pool_has(const struct numbered_pool *pool, const void *target)
{
    return (uintptr_t)target - pool->start < POOL_BYTES;
}

/* The number of an object in the pool, less `first`. */
static ALWAYS_INLINE size_t numbered_pool_index(const struct numbered_pool *pool,
                                                const void *target)
{
    return ((uintptr_t)target - pool->start) * pool->reciprocal >> 32;
}

#endif
