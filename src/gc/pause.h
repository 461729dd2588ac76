/* pause.h: a stopped world for a thread that reads all objects, or marks them, but collects
 * nothing: it becomes the collector, stops the other threads and takes gc_table_lock; whatever of
 * that is not so already, inside a visitor, a finalizer or another callback. */
#ifndef GC_PAUSE_H
#define GC_PAUSE_H

#include <stdbool.h>

struct pause {
    bool is_still; /* the world is stopped */
    bool collects; /* pause_end gives up being the collector */
    bool stops;    /* pause_end resumes the world */
    bool locks;    /* pause_end releases gc_table_lock */
};

/* For reading headers alone: some threads may not have stopped. 0, or an error number, which is in
 * errno, too: ENOMEM, or EBUSY in a traverse callback or a blocking region. */
int pause_begin(struct pause *pause);

/* For reading fields: EBUSY also if a thread does not stop. */
int pause_begin_still(struct pause *pause);

/* For reading fields, without waiting for a collector or for long: EBUSY also in a thread that does
 * not use objects. */
int pause_try_begin(struct pause *pause);

void pause_end(const struct pause *pause);

/* Sets errno. Returns -1. */
int pause_fail(int error);

#endif
