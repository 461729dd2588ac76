/* incremental.h: the incremental full collection: slices that propose garbage, a little at a time.
 *
 *   gather     all tracked objects there are become candidates of a cycle
 *   subtract   table by table, as deduce.h does for all at once
 *   mark       likewise
 *   check      what is left, a component at a time, is given to collect_tables, which asks
 *              again in a world that stands still, and frees what is garbage indeed
 *   unlink, unmap   what the cycle has noted is given up
 *
 * Between slices the program goes on, and makes numbers and marks wrong: then a shadow is
 * refused, or garbage is found in the next cycle. Garbage that was there when the cycle began
 * cannot be touched by anybody, so all its numbers are right, and it is always proposed. A pause is
 * as long as a slice's work, or as the component that is checked: garbage that hangs together is
 * freed as one.
 *
 * What a cycle notes lies in memory of its own, beside the tables: young collections may come in
 * between. Everything here by who collects, under gc_table_lock, in a world that stands still. */
#ifndef GC_INCREMENTAL_H
#define GC_INCREMENTAL_H

#include "object/gc_table.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the cycle notes of a table. */
struct shadow {
    struct gc_table *table; /* NULL: it is gone */
    struct shadow *next;    /* of all */
    struct shadow *gray;    /* of those with gray bits */
    bool is_listed;         /* … it is */
    uint64_t gray_words;    /* a bit for each word of `grays` that is not 0 */
    unsigned blocks, words; /* that there were when the cycle began */
    uint32_t *gc_refs;      /* a number a block */
    uint64_t *whites;       /* not known to be reachable */
    uint64_t *grays;        /* reachable, and not looked into yet */
};

/* Whether a cycle is going on. */
bool incremental_is_running(void);

/* Begins a cycle. False: no memory. */
bool incremental_begin(void);

/* Works for about `objects` objects, or until the clock (os_now_ns) says `deadline_ns`. Tables with
 * white objects to be checked now, or NULL. *candidates: of the cycle, as far as they are known. */
struct gc_table *incremental_slice(size_t objects, uint64_t deadline_ns, size_t *candidates);

/* The table leaves the list of all. */
void incremental_table_gone(struct gc_table *table);

/* Ends the cycle, finished or not, at once. */
void incremental_end(void);

#endif
