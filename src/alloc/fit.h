/* fit.h: where a run fits best among the free pages of all arenas. */
#ifndef ALLOC_FIT_H
#define ALLOC_FIT_H

#include <stdint.h>

/* The smallest free range that has `pages` pages in a row from a multiple of `alignment` (in pages)
 * on: the number of its arena, and the first of these pages; UINT32_MAX if there is none. The
 * caller holds arena_lock. */
uint32_t fit_find(unsigned pages, unsigned alignment, unsigned *first);

#endif
