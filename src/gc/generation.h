/* generation.h: how old tracked objects are: bitmaps in their GC table, and rings of the tables
 * that may have young and middle-aged ones.
 *
 *              old  middle  frozen
 *   0 young     0     0       0     new objects, and those revived when their last reference went
 *   1 middle    1     1       0     survivors of a collection of generation 0
 *   2 old       1     0       0     survivors of a collection of generation 1 or 2
 *   3 frozen    1     0       1     what molt_gc_freeze has found: no collection looks at it
 *
 * HEADER_OLD in a live object implies its old bit. After generation_refresh the converse is true;
 * before, bits may be left of objects that died, or were revived, with another thread than their
 * owner. Only a header tells whether a block holds an object at all.
 *
 * Everything here under gc_table_lock, in a stopped world, unless it says otherwise. */
#ifndef GC_GENERATION_H
#define GC_GENERATION_H

#include "object/gc_table.h"

#include <stddef.h>
#include <stdint.h>

enum {
    GENERATION_ANY = -1,
    GENERATION_YOUNG,
    GENERATION_MIDDLE,
    GENERATION_OLD, /* collected by a full collection, with the younger ones */
    GENERATION_FROZEN,
    GENERATIONS = GENERATION_FROZEN /* those that are collected */
};

/* for_each_bit (i, table, GC_WHITE): i is the index of each set bit; the body may clear bits. */
#define for_each_bit(i, table, bitmap)                                                           \
    for (unsigned w_ = 0; w_ < (table)->words; w_++)                                             \
        for (uint64_t left_ = gc_table_words(table, bitmap)[w_]; left_ != 0; left_ &= left_ - 1) \
            for (unsigned i = w_ * 64 + (unsigned)__builtin_ctzll(left_), once_ = 1; once_ != 0; \
                 once_ = 0)

/* for_each_table (table, tables): all that are linked by `next`, beginning with `tables`. */
#define for_each_table(table, tables) \
    for (struct gc_table *table = (tables); table != NULL; table = table->next)

/* The blocks of word w that exist and are of a generation. */
static inline uint64_t generation_bits(struct gc_table *table, unsigned w, int generation)
{
    uint64_t old = gc_table_words(table, GC_OLD)[w], middle = gc_table_words(table, GC_MIDDLE)[w];
    uint64_t frozen = gc_table_words(table, GC_FROZEN)[w], all = gc_table_existing(table, w);
    switch (generation) {
    case GENERATION_YOUNG:
        return all & ~old;
    case GENERATION_MIDDLE:
        return all & old & middle & ~frozen;
    case GENERATION_OLD:
        return all & old & ~middle & ~frozen;
    case GENERATION_FROZEN:
        return all & old & frozen;
    default:
        return all;
    }
}

/* Promotes the tables' white objects as survivors of a collection of that generation: garbage among
 * them, too, until it is condemned. */
void generation_promote(struct gc_table *tables, int collected);

/* One object becomes old. */
void generation_promote_one(struct gc_table *table, unsigned index);

/* Clears bits that are left of objects which are not old by their headers. */
void generation_refresh(void);

/* Updates the rings after a collection of that generation. */
void generation_update_lists(int collected);

/* Calls `visit`, unless it is NULL, for each tracked live object of a generation, until it returns
 * something else than 0. Returns the number of such objects. The world may be running. */
size_t generation_visit(int generation, int (*visit)(void *object, void *arg), void *arg);

void generation_freeze(void);
void generation_unfreeze(void);

#endif
