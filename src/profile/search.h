/* search.h: one look at the whole heap: what can be reached at this moment.
 *
 *   all signals are blocked
 *     the program's segments are noted          (the loader's lock)
 *       the list of large objects stays         (gc table)
 *         the allocator stays                   (registry, arena, map, huge)
 *           the other threads are stopped
 *             census, roots, marking            what the program sees of this is a pause
 *
 * A thread that is stopped may hold any other lock, so nothing in between takes one. */
#ifndef PROFILE_SEARCH_H
#define PROFILE_SEARCH_H

#include "reach.h"
#include "roots.h"

#include <stdbool.h>
#include <stdint.h>

struct search {
    struct roots roots;
    struct reach reach;
    uint64_t at_ns;   /* when the threads stood still */
    bool has_stopped; /* they did; else what was found may be wrong */
};

/* Notes the program's segments. False: no memory. search_end is due in any case. */
bool search_begin(struct search *search);

/* Looks, and finds out for each block what reach_state tells. `kept` counts as roots: blocks that
 * the loader keeps where nobody looks, say. 0, or an errno: ENOMEM; EDEADLK: the calling thread has
 * interrupted the library in a signal handler. reach_state may be asked until search_end, but only
 * of blocks that have been live since the look. */
int search_look(struct search *search, const struct roots_caller *caller, const uintptr_t *kept,
                size_t kept_count);

void search_end(struct search *search);

#endif
