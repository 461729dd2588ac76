/* perturb.h: filling blocks, so that a program that reads what it has not written, or has freed, is
 * found: glibc's M_PERTURB and MALLOC_PERTURB_.
 *
 * While it is on, a block of malloc's is filled with the complement of a byte, a freed one with the
 * byte, but for the link in its first 8 bytes; calloc's is zero, and huge blocks go unfilled to the
 * OS. It costs nothing when it is off: switched on, it leaves the fast paths closed (thread.c), so
 * each call comes to a slow path, and those fill. A thread learns of it at its next slow path.
 * Objects are not filled. */
#ifndef ALLOC_PERTURB_H
#define ALLOC_PERTURB_H

#include "base/attributes.h"

#include <stdbool.h>
#include <stddef.h>

extern HIDDEN int perturb_value; /* M_PERTURB's; 0 is off */

static inline bool perturb_is_on(void)
{
    return UNLIKELY(__atomic_load_n(&perturb_value, __ATOMIC_RELAXED) != 0);
}

/* The value from now on. */
static inline void perturb_set(int value)
{
    __atomic_store_n(&perturb_value, value, __ATOMIC_RELAXED);
}

/* What the environment asks for: GLIBC_TUNABLES, else MALLOC_PERTURB_. By the first allocation. */
void perturb_init(void);

/* Fills a block that malloc gives, or one that is freed. */
void perturb_new(void *block, size_t bytes);
void perturb_freed(void *block, size_t bytes);

#endif
