/* collect.h: one collection.
 *
 *   deduce          which candidates are unreachable: white (deduce.h)
 *   run_code        weak references with callbacks die, and the callbacks run; then the
 *                   finalizers that are due. The white objects are kept by a reference each
 *                   meanwhile; then the question is asked again of them alone, and what has
 *                   been revived is promoted like the rest
 *   condemn         those that are still white lose their other weak references
 *   delete_white    their references are dropped, then their blocks are freed
 *
 * (Weak references without a callback outlive the finalizers, as in CPython since the change
 * gh-135552, which is in 3.15; 3.14.2 lets them all die first.) The world stands still, and
 * gc_table_lock is held, but where code of the program runs. A collection for which memory or a
 * thread's safepoint is missing has done nothing. */
#ifndef GC_COLLECT_H
#define GC_COLLECT_H

#include "object/gc_table.h"

#include <stdbool.h>
#include <stddef.h>

struct collection {
    int generation;
    bool is_partial;         /* the candidates are not a whole generation */
    bool saves_all;          /* garbage is kept: garbage.h */
    bool says_collectable;   /* each garbage object in a line */
    bool says_uncollectable; /* … each that is kept all the same */
    bool says_statistics;    /* a line at the end */
    unsigned stop_ms;        /* how long to wait for other threads */
    size_t candidates;       /* objects looked at */
    size_t survivors;        /* … that were reachable */
    size_t unreachable;      /* found, and not revived */
    size_t revived;          /* by finalizers */
};

/* 0, or an error number: nothing has been freed. The caller is the only one who collects. */
int collect(struct collection *collection);

/* The same with candidates that are white already, in a world that stands still and under
 * gc_table_lock: both are given up. */
int collect_tables(struct collection *collection, struct gc_table *tables);

#endif
