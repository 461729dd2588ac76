/* generation.h: how old objects are: bits in their pool's table, and lists of the tables where
 * young and middle-aged ones are.
 *
 * An object begins young, without any bit. When a collection has looked at it and it lives on, it
 * is promoted to the generation after that collection's. One that its finalizer has revived when
 * its last reference went is young again. Bits may be left of objects that died, or were revived,
 * with another thread, until generation_refresh; who wants to know reads the header, too.
 *
 * Everything here under gc_table_lock, in a world that stands still. */
#ifndef GC_GENERATION_H
#define GC_GENERATION_H

#include "object/gc_table.h"

#include <stddef.h>
#include <stdint.h>

enum { GENERATION_ANY = -1, GENERATION_FROZEN = 3 };

/* for_each_bit (i, table, GC_WHITE): each set bit's number; the body may clear bits. */
#define for_each_bit(i, table, bitmap)                                                           \
    for (unsigned w_ = 0; w_ < (table)->words; w_++)                                             \
        for (uint64_t left_ = gc_table_words(table, bitmap)[w_]; left_ != 0; left_ &= left_ - 1) \
            for (unsigned i = w_ * 64 + (unsigned)__builtin_ctzll(left_), once_ = 1; once_ != 0; \
                 once_ = 0)

/* for_each_table (table, tables): those linked by next. */
#define for_each_table(table, tables) \
    for (struct gc_table *table = (tables); table != NULL; table = table->next)

/* The blocks of word w that exist and belong to a generation, if tracked objects are in them. */
static inline uint64_t generation_bits(struct gc_table *table, unsigned w, int generation)
{
    uint64_t old = gc_table_words(table, GC_OLD)[w], middle = gc_table_words(table, GC_MIDDLE)[w];
    uint64_t frozen = gc_table_words(table, GC_FROZEN)[w], all = gc_table_existing(table, w);
    switch (generation) {
    case 0:
        return all & ~old;
    case 1:
        return all & old & middle & ~frozen;
    case 2:
        return all & old & ~middle & ~frozen;
    case GENERATION_FROZEN:
        return all & old & frozen;
    default:
        return all;
    }
}

/* All white objects of the tables become as old as a collection of that generation makes those that
 * survive it; what turns out to be garbage is forgotten with its block. */
void generation_promote(struct gc_table *tables, int collected);

/* One object joins the oldest. */
void generation_promote_one(struct gc_table *table, unsigned index);

/* Bits of objects that are not old by their headers are forgotten. */
void generation_refresh(void);

/* Which tables may have young and middle-aged objects after a collection. */
void generation_update_lists(int collected);

/* Calls visit for each tracked live object of a generation until it returns something else than 0;
 * NULL: none.  * How many there are. */
size_t generation_visit(int generation, int (*visit)(void *object, void *arg), void *arg);

void generation_freeze(void);
void generation_unfreeze(void);

#endif
