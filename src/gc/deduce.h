/* deduce.h: trial deletion: which candidates are unreachable? An exact answer, in a stopped world.
 *
 *   deduce_gather   candidates = the tracked objects of a generation and of younger ones
 *   subtract        gc_refs[x] = count(x) - references to x from candidates
 *   push_roots      a candidate with gc_refs[x] != 0 is referred to from elsewhere: a root
 *   mark            reachable = roots, and the candidates that reachable ones refer to (mark.h)
 *
 * The unreachable candidates are garbage. (Lins 1992; the phases are those of CPython's collector.)
 *
 *   candidates   the bits GC_WHITE of their tables; when deduce returns these are the garbage alone
 *   white        marks.white (numbering.h): not known to be reachable, while deduce works
 *   gray         waits in mark.c: reachable, to be traversed
 *   black        all other candidates: reachable, and traversed or a leaf
 *
 * Objects are written to for HEADER_OLD, and where references of the collector are dropped; their
 * tables for generations and GC_WHITE. All else is in scratch memory. Everything here under
 * gc_table_lock, in a stopped world. */
#ifndef GC_DEDUCE_H
#define GC_DEDUCE_H

#include "object/gc_table.h"

#include <stdbool.h>
#include <stddef.h>

/* Makes the blocks of a generation and of younger ones white, free blocks included (subtract finds
 * them). Returns their tables, linked by `next`. */
struct gc_table *deduce_gather(int generation);

struct deduction {
    int collected;     /* the generation that is collected: reachable objects are promoted */
    unsigned held;     /* references of the collector's own to each candidate; deduce drops them */
    size_t candidates; /* tracked objects among the white blocks at first */
    size_t reachable;  /* candidates that are white no longer at the end */
};

/* Leaves white what is unreachable. False: no memory, and nothing was changed. */
bool deduce(struct gc_table *tables, struct deduction *deduction);

#endif
