/* numbering.h: the blocks of all tables that take part in a deduction, numbered through.
 *
 * What is noted of a block lies in scratch memory, by its number: where references lead anywhere,
 * a little memory in one piece is at hand sooner than all pools' tables are. A reference finds its
 * target's number by the address: in a table of the pools, whose index is the low bits of the
 * pool's address; or, for a large object and where two pools share an entry, by way of the table.
 */
#ifndef GC_NUMBERING_H
#define GC_NUMBERING_H

#include "base/tunables.h"
#include "object/gc_table.h"

/* A pool that takes part. */
struct entry {
    uint32_t pool;       /* 1 + the bits of its addresses above those inside a pool; 0: none */
    uint32_t first_word; /* its first block's number / 64 */
    uint32_t reciprocal; /* the table's */
    uint32_t unused;     /* an entry is found by a shift */
};

/* Of 64 blocks. */
struct marks {
    uint64_t white; /* not known to be reachable */
    uint64_t leaf;  /* refers to nothing that takes part */
};

struct numbering {
    struct entry *entries;
    uintptr_t entry_mask;
    struct marks *marks;
    void **stack; /* room for every block, and one more */
};

extern HIDDEN struct numbering numbering;

/* Numbers the blocks of the tables that are linked by next. False: no memory. */
bool numbering_begin(struct gc_table *tables);
void numbering_end(struct gc_table *tables);

#define NUMBER_NONE SIZE_MAX

struct numbered_pool;

/* By way of the table. */
size_t numbering_slow(const void *target);
struct numbered_pool numbering_pool_slow(const void *object);

/* The entry of the address's pool; NULL: it has none. */
static ALWAYS_INLINE const struct entry *entry_of(uintptr_t address)
{
    uintptr_t pool = address >> POOL_SHIFT;
    const struct entry *entry = &numbering.entries[pool & numbering.entry_mask];
    return LIKELY(entry->pool == pool + 1) ? entry : NULL;
}

/* The number of a live object; NUMBER_NONE: it takes no part. */
static ALWAYS_INLINE size_t numbering_of(const void *target)
{
    uintptr_t address = (uintptr_t)target;
    const struct entry *entry = entry_of(address);
    if (LIKELY(entry != NULL))
        return (size_t)entry->first_word * 64 + (address % POOL_BYTES * entry->reciprocal >> 32);
    return numbering_slow(target);
}

/* The blocks of one pool: their numbers follow each other. */
struct numbered_pool {
    uintptr_t start;     /* of the pool; 1: there is none */
    uint32_t reciprocal; /* the table's */
    size_t first;        /* number */
};

/* Those of a table that takes part. A large object is no span: what refers to itself is rare. */
static inline struct numbered_pool numbering_of_table(const struct gc_table *table)
{
    return (struct numbered_pool){table->pool != NULL ? table->start : 1, table->reciprocal,
                                  (size_t)(table->numbered - 1) * 64};
}

/* Those of the pool of a live object; none: it takes no part, or is large. */
static inline struct numbered_pool numbering_pool(const void *object)
{
    uintptr_t address = (uintptr_t)object;
    const struct entry *entry = entry_of(address);
    if (LIKELY(entry != NULL))
        return (struct numbered_pool){address - address % POOL_BYTES, entry->reciprocal,
                                      (size_t)entry->first_word * 64};
    return numbering_pool_slow(object);
}

static inline struct marks *numbering_marks(const struct numbered_pool *span)
{
    return &numbering.marks[span->first / 64];
}

static ALWAYS_INLINE bool numbered_pool_has(const struct numbered_pool *span, const void *target)
{
    return (uintptr_t)target - span->start < POOL_BYTES;
}

/* Which of the span's blocks it is. */
static ALWAYS_INLINE size_t numbered_pool_index(const struct numbered_pool *span,
                                                const void *target)
{
    return ((uintptr_t)target - span->start) * span->reciprocal >> 32;
}

#endif
