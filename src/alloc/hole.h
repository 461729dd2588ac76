/* hole.h: pages of a pool that have gone back to the OS, although blocks of the pool are live.
 *
 *   page      0         1         2         3
 *        |  a  b  c |d  e  f  |g  h  i  |j  k  l |        b and k are live
 *        |          |  hole   |  hole   |        |        free list: a, c, l, j
 *
 * A page may become a hole when every block that touches it is free. From then on these blocks hang
 * in no list, since the links of most of them have gone with the page. So a block is in a hole
 * exactly if it touches a page that is a hole, and the record has a bit for each of these pages.
 *
 * When the pool has no other free block, its holes are filled one by one, as pages are carved.
 * Every count of free blocks includes those in holes: `left` counts live blocks only.
 *
 * A hole reads as zero, so nothing in a block there tells that it is free. Therefore the fast path
 * of free is open only for the blocks before the first hole (pool_open_blocks); the slow path asks
 * hole_has. A live block gets into no hole before it is freed, so any thread may ask that of a
 * block which it holds.
 *
 * Objects' pools have no holes: the collector reads the first word of every block. */
#ifndef ALLOC_HOLE_H
#define ALLOC_HOLE_H

#include "pool.h"

#include "base/attributes.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

/* Whether p, the start of a carved block, is in a hole, and so is free. */
bool hole_has(const struct pool *pool, const void *p);

/* How many blocks are in holes. */
unsigned hole_blocks(const struct pool *pool);

/* Makes all pages holes that may become so; returns how many. The caller owns the pool and is
 * inside a slow path; `free_blocks` blocks hang in the pool's list. */
unsigned hole_dig(struct pool *pool, unsigned free_blocks);

/* Makes the blocks of the first hole, as a list, at least one; NULL where the hard limit forbids
 * it. Sets *zero when it is one block whose bytes behind the link are zero. There must be a hole.
 */
struct block *hole_fill(struct pool *pool, bool *zero);

/* The pool is about to go back to the arenas: it has no holes from now on. Returns the bits of the
 * pages that were holes, which read as zero. */
unsigned hole_forget(struct pool *pool);

#endif
