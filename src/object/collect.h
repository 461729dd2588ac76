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
 * side_lock is held, but where code of the program runs. A collection for which memory or a
 * thread's safepoint is missing has done nothing. */
#ifndef OBJECT_COLLECT_H
#define OBJECT_COLLECT_H

#include "side.h"

#include <stdbool.h>
#include <stddef.h>

struct collection {
    int generation;
    bool is_partial;         /* the candidates are not a whole generation */
    bool saves_all;          /* garbage is kept: collect_garbage */
    bool says_collectable;   /* each garbage object in a line */
    bool says_uncollectable; /* … each that is kept all the same */
    unsigned stop_ms;        /* how long to wait for other threads */
    size_t candidates;       /* objects looked at */
    size_t survivors;        /* … that were reachable */
    size_t unreachable;      /* found, and not revived */
    size_t revived;          /* by finalizers */
};

/* 0, or an error number: nothing has been freed. The caller is the only one who collects. */
int collect(struct collection *collection);

/* The same with candidates that are white already, in a world that stands still and under
 * side_lock: both are given up. */
int collect_sides(struct collection *collection, struct side *sides);

/* While a forked child is repaired, if a thread that is gone was collecting: what it had noted is
 * given up. */
void collect_repair(void);

/* Whether the calling thread is dropping the references of condemned objects. */
bool collect_is_deleting(void);

/* Stores up to `max` of the objects that were kept as garbage: how many there are. By who
 * collects. */
size_t collect_garbage(void **out, size_t max);

/* All of them, in a block of malloc, with the collector's references. By who collects. */
void **collect_take_garbage(size_t *count);

#endif
