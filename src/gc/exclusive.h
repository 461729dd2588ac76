/* exclusive.h: exclusive access to all objects, for a thread that reads or marks them and collects
 * nothing. It becomes the collector, stops the world and takes gc_table_lock, as far as it does not
 * have these already: inside a visitor, a finalizer or another callback it has some of them. */
#ifndef GC_EXCLUSIVE_H
#define GC_EXCLUSIVE_H

#include <stdbool.h>

struct exclusive {
    bool is_still; /* the world is stopped */
    bool collects; /* exclusive_end gives up being the collector */
    bool stops;    /* exclusive_end resumes the world */
    bool locks;    /* exclusive_end releases gc_table_lock */
};

/* For reading headers alone: some threads may not have stopped. 0, or an error number, which is in
 * errno, too: ENOMEM, or EBUSY in a traverse callback or a blocking region. */
int exclusive_begin(struct exclusive *exclusive);

/* For reading fields: EBUSY also if a thread does not stop. */
int exclusive_begin_still(struct exclusive *exclusive);

/* For reading fields, without waiting for a collector or for long: EBUSY also in a thread that does
 * not use objects. */
int exclusive_try_begin(struct exclusive *exclusive);

void exclusive_end(const struct exclusive *exclusive);

/* Sets errno. Returns -1. */
int exclusive_fail(int error);

#endif
