/* pause.h: the world stands still for a thread that reads, or marks, all objects. */
#ifndef GC_PAUSE_H
#define GC_PAUSE_H

#include <stdbool.h>

struct pause {
    bool is_still; /* all other threads stand still */
    bool collects; /* what pause_end undoes … */
    bool stops;
    bool locks;
};

/* Nobody else collects, gc_table_lock is held, and as far as they let themselves be stopped the
 * others stand still. Inside a visitor, a finalizer or another callback it is so already in part.
 * 0, or an error number: ENOMEM, or EBUSY in a traverse callback or a blocking region. */
int pause_begin(struct pause *pause);

/* The same for those who read objects' fields: EBUSY also if a thread does not stand still. */
int pause_begin_still(struct pause *pause);

/* The same without waiting for a collection or for long; EBUSY also for a thread that does not use
 * objects. */
int pause_try_begin(struct pause *pause);

void pause_end(const struct pause *pause);

/* Sets errno: -1. */
int pause_fail(int error);

#endif
