/* hole.h: pages of a pool that have gone back to the OS, although blocks of the pool are live.
 *
 *   page      0         1         2         3
 *        |  a  b  c |d  e  f  |g  h  i  |j  k  l |        b and k are live
 *        |          |  hole   |  hole   |        |        free list: a, c, l, j
 *
 * A page may go when every block that touches it is free. These blocks are in the hole from then
 * on: they hang in no list, since the links of most of them have gone with the page. So a block is
 * in a hole exactly if it touches a page that is one, which the bits in the pool's record tell.
 *
 * A hole is filled page by page when the pool has no other free block, as untouched pages are
 * carved. Blocks in holes are free in every count of them: `left` knows of live blocks alone.
 *
 * The page reads as zero, so nothing in a block there tells that it is free. Therefore the fast
 * path of free is open for the blocks before the first hole only (pool_open_blocks); what it does
 * not take is looked up here. No live block is in a hole, and none gets there before it is freed,
 * so any thread may ask that of a block which it holds.
 *
 * Objects' pools have no holes: the collector reads the first word of every block. */
#ifndef ALLOC_HOLE_H
#define ALLOC_HOLE_H

#include "pool.h"

#include "base/attributes.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

/* Memory of pools that holes have given back, which still counts as used. */
extern HIDDEN _Atomic size_t hole_bytes;

/* Whether p, the start of a carved block, is in a hole: free. */
bool hole_has(const struct pool *pool, const void *p);

/* How many blocks are. */
unsigned hole_blocks(const struct pool *pool);

/* Gives back all pages that may go; how many these were. The caller owns the pool and is inside a
 * slow path; `free_blocks` hang in its list. */
unsigned hole_dig(struct pool *pool, unsigned free_blocks);

/* Makes the blocks of the first hole, as a list, at least one. Sets *zero when it is one block
 * whose bytes behind the link are zero. There must be a hole. */
struct block *hole_fill(struct pool *pool, bool *zero);

/* The pool goes: its holes, which read as zero, are its last ones. */
unsigned hole_forget(struct pool *pool);

#endif
