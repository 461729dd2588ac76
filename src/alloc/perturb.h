/* perturb.h: filling blocks, so that a program that reads what it has not written, or has freed,
 * behaves visibly wrong: glibc's M_PERTURB and MALLOC_PERTURB_.
 *
 * While it is on, a block that malloc gives is filled with the complement of a byte, and a freed
 * one with the byte, but for the link in its first 8 bytes. calloc's blocks are zero all the same;
 * freed huge blocks and objects are not filled. It costs nothing when it is off: when it is on,
 * the fast paths stay closed (thread.h), so each call takes a slow path, and only these fill. A
 * thread learns of a change at its next slow path. */
#ifndef ALLOC_PERTURB_H
#define ALLOC_PERTURB_H

#include "watch.h"

#include "base/attributes.h"

#include <stdbool.h>
#include <stddef.h>

static inline bool perturb_is_on(void)
{
    return watch_is_on(WATCH_FILL);
}

/* Fills with the byte from now on, as M_PERTURB does; 0 is off. */
void perturb_set(int value);

/* At the first allocation: sets what GLIBC_TUNABLES asks for, else MALLOC_PERTURB_. */
void perturb_init(void);

/* Fill a block that malloc gives, and one that is freed. */
void perturb_new(void *block, size_t bytes);
void perturb_freed(void *block, size_t bytes);

#endif
