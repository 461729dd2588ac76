/* pause.h: a stopped world for a thread that reads all objects, or marks them, but collects
 * nothing: it becomes the collector, stops the other threads and holds gc_table_lock.
 *
 * Inside a visitor, a finalizer or another callback of a collection a part of that is so already: a
 * pause begins the rest, and ends no more than it has begun. */
#ifndef GC_PAUSE_H
#define GC_PAUSE_H

#include <stdbool.h>

struct pause {
    bool is_still; /* the world is stopped */
    bool collects; /* pause_end gives up being the collector */
    bool stops;    /* pause_end resumes the world */
    bool locks;    /* pause_end releases gc_table_lock */
};

/* All three begin a pause: 0, or an error number, which is in errno, too: ENOMEM, or EBUSY in a
 * traverse callback or a blocking region. */

/* For reading headers alone: some threads may not have stopped. */
int pause_begin(struct pause *pause);

/* For reading fields: EBUSY also if a thread did not stop within a second. */
int pause_begin_still(struct pause *pause);

/* Does not wait for another collector, nor longer than a tenth of a second: then EBUSY, also in a
 * thread that does not use objects. */
int pause_try_begin(struct pause *pause);

void pause_end(const struct pause *pause);

/* Sets errno. Returns -1. */
int pause_fail(int error);

#endif
