/* deduce.h: which objects are unreachable? Trial deletion over numbers and bits of blocks.
 *
 *   deduce_gather   the objects of a generation and of younger ones are candidates: white
 *   subtract        number[object] = its count less the references that candidates hold (gc_refs.h)
 *   find_roots      what has any left is referred to from outside: reachable
 *   mark            so is what it refers to; no longer white (mark.h)
 *
 * What is still white is not. (Lins 1992; the phases as in CPython's collector.) Nothing is written
 * to an object but the flag that it is old. Numbers, bits and stack lie in scratch memory
 * (numbering.h): a deduction that cannot have that has done nothing.
 *
 * Everything here under gc_table_lock, in a world that stands still. */
#ifndef GC_DEDUCE_H
#define GC_DEDUCE_H

#include "object/gc_table.h"

#include <stdbool.h>
#include <stddef.h>

/* Makes the tracked blocks of the generation and of younger ones white: their tables, linked by
 * next. Which of them hold objects is seen in deduce(). */
struct gc_table *deduce_gather(int generation);

struct deduction {
    int collected;     /* the generation; what is reachable is promoted */
    unsigned held;     /* references to each candidate that are the collector's own; they are
                          dropped */
    size_t candidates; /* tracked objects among the white blocks */
    size_t reachable;  /* … that are white no longer */
};

/* Leaves white what is unreachable from outside the white blocks of the tables. False: no memory.
 */
bool deduce(struct gc_table *tables, struct deduction *deduction);

#endif
