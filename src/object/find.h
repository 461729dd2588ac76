/* find.h: from an address to the object there, and what a dead one leaves behind. */
#ifndef OBJECT_FIND_H
#define OBJECT_FIND_H

#include "header.h"
#include "gc_table.h"

#include <stddef.h>
#include <stdint.h>

/* The bytes of an object's struct and its extra words, rounded up. */
size_t object_bytes(const void *object);

/* The start of the block for objects that p points into, whether the object lives or not; NULL: p
 * does not point into any. Any address may be asked for. */
void *object_block_around(const void *p);

/* The same but for large objects, without a lock. */
void *object_pool_block(const void *p);

/* The second word of a dead object tells its type. It is written when the header says that the
 * object is dead: in a forked child whose parent is just doing so, no collection may take it for a
 * reference. */
#define DEAD_MARK UINT64_C(0x7ff6)

static inline void object_mark_dead(void *object, unsigned type)
{
    ((uint64_t *)object)[1] = DEAD_MARK << 48 | type;
}

static inline unsigned object_dead_type(const void *object)
{
    uint64_t word = ((const uint64_t *)object)[1];
    return word >> 48 == DEAD_MARK ? (unsigned)(word & 0xffff) : 0;
}

#endif
