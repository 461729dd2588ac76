/* block.h: what a free block holds: one encoded link in its first 8 bytes.
 *
 *   63      48 47                       0
 *   +---------+-------------------------+
 *   |  mark   |  next block ^ secret    |     as stored; the last block's next is NULL
 *   +---------+-------------------------+
 *
 * The key is `mark` above 48 secret bits, so that next ^ key has the mark on top. It serves twice:
 * nobody can read or forge an address through a dangling pointer, and one 16-bit comparison in
 * free() suspects a second free of the same block. malloc() clears the word. The mark belongs to a
 * signalling NaN and is no pointer, no small integer and no UTF-8 text, so live data rarely looks
 * like it.
 *
 * But it may: old links stay in memory that was carved for smaller blocks before, and programs move
 * bytes that they have not written. So a suspicion is never more than a reason to look for the
 * block in the lists (proof.h). It is free only if it is found there; a live block hangs in no
 * list, whatever its bytes are, and is freed like any other. */
#ifndef ALLOC_BLOCK_H
#define ALLOC_BLOCK_H

#include "base/attributes.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
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

/* A list of free blocks. Its head is encoded like a link: a push stores the old head as it is, and
 * what decodes the head for a pop tells at once whether there is a block. */
struct block_list {
    uintptr_t head;
};

/* NULL when the list is empty. */
static inline struct block *block_list_first(const struct block_list *list)
{
    return (struct block *)(list->head ^ block_key);
}

static inline bool block_list_is_empty(const struct block_list *list)
{
    return list->head == block_key;
}

/* The list is `first`, which may be NULL, and what is linked behind it. */
static inline void block_list_set(struct block_list *list, const struct block *first)
{
    list->head = (uintptr_t)first ^ block_key;
}

/* A forked child sees each thread stopped at some instruction: the link must be there before the
 * block is in the list. */
static ALWAYS_INLINE void block_list_push(struct block_list *list, struct block *block)
{
    block->link = list->head;
    atomic_signal_fence(memory_order_release);
    block_list_set(list, block);
}

/* Decodes a head or link: whether it leads to a block. The xor's own flags tell; the compiler would
 * compare once more. */
static ALWAYS_INLINE bool block_decode(uintptr_t encoded, struct block **block)
{
    bool is_null;
#if defined(__x86_64__)
    __asm__("xor %2, %0" : "+r"(encoded), "=@ccz"(is_null) : "m"(block_key));
#else
    encoded ^= block_key;
    is_null = encoded == 0;
#endif
    *block = (struct block *)encoded;
    return !is_null;
}

/* The first block, which leaves the list with the link still in it; NULL if there is none. */
static ALWAYS_INLINE struct block *block_list_pop(struct block_list *list)
{
    struct block *block;
    if (UNLIKELY(!block_decode(list->head, &block)))
        return NULL;
    list->head = block->link;
    return block;
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
