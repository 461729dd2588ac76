/* block.h: what a free block holds: one encoded link in its first 8 bytes.
 *
 *   63      48 47                       0
 *   +---------+-------------------------+
 *   |  mark   |  next block ^ secret    |     as stored; the last block's next is NULL
 *   +---------+-------------------------+
 *
 * The key is `mark` above 48 secret bits, so that next ^ key has the mark on top. It serves twice:
 * nobody can read or forge an address through a dangling pointer, and one 16-bit comparison in
 * free() suspects a second free of the same block. The mark belongs to a signalling NaN and is no
 * pointer, no small integer and no UTF-8 text, so live data rarely looks like it; when it does,
 * free() decodes the link and finds no address of the pool. malloc() clears the word. */
#ifndef ALLOC_BLOCK_H
#define ALLOC_BLOCK_H

#include "base/attributes.h"

#include <stdbool.h>
#include <stdint.h>

#define BLOCK_MARK 0x7ff5u

struct block {
    uintptr_t link;
};

extern HIDDEN uintptr_t block_key; /* constant from the first allocation on */

static inline uintptr_t block_key_from(uint64_t random)
{
    return (random >> 16) | (uintptr_t)BLOCK_MARK << 48;
}

static inline struct block *block_next(const struct block *block)
{
    return (struct block *)(block->link ^ block_key);
}

static inline void block_set_next(struct block *block, const struct block *next)
{
    block->link = (uintptr_t)next ^ block_key;
}

/* Whether the first word looks like a free block's. */
static inline bool block_is_marked(const void *p)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    struct halves {
        uint16_t part[4];
    } __attribute__((may_alias));
    return ((const struct halves *)p)->part[3] == BLOCK_MARK;
#else
    return ((const struct block *)p)->link >> 48 == BLOCK_MARK;
#endif
}

#endif
