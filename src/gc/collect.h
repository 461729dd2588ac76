/* collect.h: one collection: finds garbage, runs what its death calls for, and deletes it.
 *
 *   phase                      world     gc_table_lock   white objects (GC_WHITE)
 *
 *   deduce_gather              stopped   held            candidates
 *   deduce                     stopped   held            unreachable candidates (deduce.h)
 *   run_program_code, if any of them has a finalizer that is due, or weak references:
 *     prepare_program_code     stopped   held            the same, kept by one reference each
 *     weak_call                running   free            the same; callbacks may revive some
 *     call_finalizers          running   free            the same; finalizers may revive some
 *     deduce once more         stopped   held            those that were not revived
 *   clear_weak_references      stopped   held            garbage
 *   condemn                    stopped   held            the same, dead by their headers
 *   delete_white               running   free            those that are not freed yet
 *
 * Weak references without a callback outlive the finalizers, as in CPython since the change
 * gh-135552, which is in 3.15; 3.14.2 lets all die first. */
#ifndef GC_COLLECT_H
#define GC_COLLECT_H

#include "object/gc_table.h"

#include <stdbool.h>
#include <stddef.h>

struct collection {
    int generation;
    bool is_partial;         /* the candidates are only a part of the generation: a slice's */
    bool saves_all;          /* garbage is kept for the program instead of freed (garbage.h) */
    bool says_collectable;   /* a line on standard error for each garbage object */
    bool says_uncollectable; /* a line for each garbage object that is not freed */
    bool says_statistics;    /* a line at the end */
    unsigned stop_ms;        /* how long to wait for other threads to stop */
    size_t candidates;       /* objects examined */
    size_t survivors;        /* candidates that were reachable from the first */
    size_t unreachable;      /* candidates that were garbage */
    size_t revived;          /* unreachable candidates that callbacks or finalizers have revived */
};

/* candidates = survivors + revived + unreachable, unless memory or a thread was missing. */
static inline size_t collection_freed(const struct collection *done)
{
    return done->saves_all ? 0 : done->unreachable;
}

static inline size_t collection_uncollectable(const struct collection *done)
{
    return done->revived + (done->saves_all ? done->unreachable : 0);
}

/* Collects. 0, or an error number, and no garbage has been deleted: EBUSY: a thread came to no
 * safepoint, or ENOMEM. By the collector. */
int collect(struct collection *collection);

/* Collects the white objects of the tables. The world is stopped and gc_table_lock held; both are
 * given up. */
int collect_tables(struct collection *collection, struct gc_table *tables);

/* What the program is told of a collection: the number of unreachable objects, or -1 and errno. */
long collect_result(const struct collection *done, int error);

/* Forgets all that a collection which was broken off has noted, and an incremental cycle. By the
 * collector under gc_table_lock, or while a forked child is repaired. */
void collect_abandon(void);

#endif
