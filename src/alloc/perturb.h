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

#include "base/attributes.h"

#include <stdbool.h>
#include <stddef.h>

extern HIDDEN int perturb_value; /* the byte, as for M_PERTURB; 0 is off */

static inline bool perturb_is_on(void)
{
    return UNLIKELY(__atomic_load_n(&perturb_value, __ATOMIC_RELAXED) != 0);
}

/* The value from now on. */
static inline void perturb_set(int value)
{
    __atomic_store_n(&perturb_value, value, __ATOMIC_RELAXED);
}

/* At the first allocation: sets what GLIBC_TUNABLES asks for, else MALLOC_PERTURB_. */
void perturb_init(void);

/* Fill a block that malloc gives, and one that is freed. */
void perturb_new(void *block, size_t bytes);
void perturb_freed(void *block, size_t bytes);

#endif
