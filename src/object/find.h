/* find.h: from an address to the object there, and what a dead object leaves behind. The records of
 * the pools answer; only for addresses outside all pools the list of GC tables is searched for
 * large objects, under gc_table_lock. */
#ifndef OBJECT_FIND_H
#define OBJECT_FIND_H

#include "gc_table.h"
#include "header.h"

#include <stddef.h>
#include <stdint.h>

/* The bytes of an object: of its struct and its extra words; for one in a pool those of its block.
 */
size_t object_bytes(const void *object);

/* The start of the block for an object that p points into, whether the object lives or not. NULL: p
 * points into no such block. p may be any address. */
void *object_block_around(const void *p);

/* The same in pools alone, without a lock. */
void *object_pool_block(const void *p);

/* The second word of a dead object tells its type, for messages. It is written after the header
 * says that the object is dead: else a collection in a forked child, whose parent was just doing
 * so, could take the word for a reference. */
#define DEAD_MARK UINT64_C(0x7ff6)

static inline void object_mark_dead(void *object, unsigned type)
{
    ((uint64_t *)object)[1] = DEAD_MARK << 48 | type;
}

/* The number of a dead object's type; 0: not known. */
static inline unsigned object_dead_type(const void *object)
{
    uint64_t word = ((const uint64_t *)object)[1];
    return word >> 48 == DEAD_MARK ? (unsigned)(word & 0xffff) : 0;
}

#endif
