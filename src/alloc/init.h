/* init.h: what the first allocation of the process sets up. */
#ifndef ALLOC_INIT_H
#define ALLOC_INIT_H

#include "map.h"

#include "base/attributes.h"

#include <stdbool.h>

/* Reads the options and sets up the address map, once. False when the OS gives no memory. */
bool init_slow(void);

static inline bool init_done(void)
{
    return LIKELY(__atomic_load_n(&map.bytes, __ATOMIC_ACQUIRE) != 0) || init_slow();
}

#endif
