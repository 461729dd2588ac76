/* incremental.h: a full collection beside the running program: a cycle of slices, each of which
 * stops the world for a short while.
 *
 * A cycle is a trial deletion (deduce.h) cut into slices. In between the program changes counts and
 * fields, and no write barrier tells of it: what is white after marking is only suspected garbage.
 * So a suspect, with all white objects that it leads to, is checked by an exact trial deletion
 * within one slice, and what that confirms is freed.
 *
 *   a live object is white          a false suspicion: the check finds that it is reachable
 *   garbage is not white            it became garbage during the cycle: the next one finds it
 *   garbage from before the cycle   white for certain: no thread can reach it, so neither its count
 *                                   nor a reference to it changes. (If garbage that a later slice
 *                                   checks refers to it, the next cycle frees it.)
 *
 * A pause is as long as a slice, or as one check: garbage that hangs together is freed as one. The
 * cycle's notes lie in shadows of the GC tables, since young collections use those in between.
 * Everything here by the collector, under gc_table_lock, in a stopped world. */
#ifndef GC_INCREMENTAL_H
#define GC_INCREMENTAL_H

#include "object/gc_table.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the cycle notes of a table. A candidate is white, gray or black:
 *
 *   white   whites              not known to be reachable
 *   gray    grays               reachable, its references are not traversed yet
 *   black   ~whites & ~grays    reachable and traversed; or no candidate
 *
 *   whites & grays == 0    bit w of gray_words == (grays[w] != 0)
 *   gray_words != 0 implies is_listed, as long as the table exists
 */
struct shadow {
    struct gc_table *table; /* whose shadow it is; NULL: the table is gone */
    struct shadow *next;    /* in the list of all shadows */
    struct shadow *gray;    /* in the list of shadows with gray objects */
    bool is_listed;         /* in that list */
    uint64_t gray_words;    /* a bitmap of the words of `grays` */
    unsigned blocks, words; /* the table's blocks, and words of a bitmap, when the cycle began */
    uint32_t *gc_refs;      /* per block: its object's count less the references found to it */
    uint64_t *whites;
    uint64_t *grays;
};

/* A cycle has begun and not ended. */
bool incremental_is_running(void);

/* Begins a cycle. False: no memory. */
bool incremental_begin(void);

/* Works on about `objects` objects, or until os_now_ns() is `deadline_ns`. Returns tables with
 * suspects (GC_WHITE) for collect_tables to check, or NULL. *candidates: the cycle's so far. */
struct gc_table *incremental_slice(size_t objects, uint64_t deadline_ns, size_t *candidates);

/* Tells that the table leaves the list of all tables. */
void incremental_table_gone(struct gc_table *table);

/* Ends the cycle at once, finished or not. */
void incremental_end(void);

#endif
