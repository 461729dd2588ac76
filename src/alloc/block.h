/* block.h: what a free block holds: one encoded link in its first 8 bytes.
 *
 *   63      48 47                       0
 *   +---------+-------------------------+
 *   |  mark   |  next block + secret    |     as stored; the last block's next is block_end
 *   +---------+-------------------------+
 *
 * The key is `mark` above a secret number, so that next + key has the mark on top. It serves three
 * times. Nobody can read or forge an address through a dangling pointer. One 16-bit comparison in
 * free() suspects a second free of the same block; malloc() clears the word. And almost every word
 * that a program writes into a free block is, as a signed number, below the mark. So the
 * subtraction that decodes a link tells by its own flags that the word is no link, before the link
 * is followed. The word of block_end, which the last link leads to, is no link either: so a pop
 * needs no test for the end, and pays nothing for the check.
 *
 * The mark belongs to a signalling NaN and is no pointer, no small integer and no UTF-8 text, so
 * live data rarely looks like it.
 *
 * But live data may look like it: old links stay in memory that was carved for smaller blocks
 * before, and programs move bytes that they have not written. So a suspicion is never more than a
 * reason to look for the block in the lists (proof.h). The block is free only if it is found there;
 * a live block hangs in no list, whatever its bytes are, and is freed like any other. */
#ifndef ALLOC_BLOCK_H
#define ALLOC_BLOCK_H

#include "base/attributes.h"
#include "base/tunables.h" // POOL_BYTES

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BLOCK_MARK 0x7ff5u

struct block {
    uintptr_t link;
};

extern HIDDEN uintptr_t block_key; /* constant from the first allocation on */

/* The last block of every list links to this one, whose own word is no link. */
extern HIDDEN const struct block block_end;

#if defined(__x86_64__)
#define BLOCK_SECRET_BITS 47 /* addresses have as many: the sum leaves the mark alone */
#else
#define BLOCK_SECRET_BITS 48
#endif

/* More than the codes of sampled blocks (below), all of which the secret is above. */
#define SAMPLED_CODES (POOL_BYTES / sizeof(struct block) * 2)

static inline uintptr_t block_key_from(uint64_t random)
{
    return random >> (64 - BLOCK_SECRET_BITS) | SAMPLED_CODES | (uintptr_t)BLOCK_MARK << 48;
}

static inline uintptr_t block_encode(const struct block *next)
{
#if defined(__x86_64__)
    return (uintptr_t)next + block_key;
#else
    return (uintptr_t)next ^ block_key; /* addresses may have 48 bits */
#endif
}

/* Decodes a block's first word: false if it is no link. A word that a program has written passes if
 * its upper 16 bits are the mark, or above it as signed numbers. */
static ALWAYS_INLINE bool block_decode(uintptr_t link, struct block **next)
{
    bool is_none;
#if defined(__x86_64__)
    __asm__("sub %2, %0" : "+r"(link), "=@ccl"(is_none) : "m"(block_key));
#else
    link ^= block_key;
    is_none = link >> 48 != 0;
#endif
    *next = (struct block *)link;
    return !is_none;
}

/* ---- Sampled blocks (sample.h) ----
 *
 * The link of a sampled block does not decode, so a pop fails at it. It bears the mark all the same
 * (on x86-64), below which lies the secret less 1 and a code: 0 for the last block of a list, else
 * 1 and where in the same pool the next one is, in words. */

static inline uintptr_t block_link_of_code(uintptr_t code)
{
#if defined(__x86_64__)
    return block_key - 1 - code;
#else
    return ~(block_key ^ code);
#endif
}

/* The link of a sampled block before `next`, which is in the same pool, or block_end. */
static inline uintptr_t block_link_sampled(const struct block *next)
{
    size_t offset = (uintptr_t)next & (POOL_BYTES - 1);
    return block_link_of_code(next == &block_end ? 0 : 1 + offset / sizeof(struct block));
}

/* The code in a sampled block's link; SAMPLED_CODES if the link is another one. */
static inline uintptr_t block_sampled_code(uintptr_t link)
{
#if defined(__x86_64__)
    uintptr_t code = block_key - 1 - link;
#else
    uintptr_t code = ~link ^ block_key;
#endif
    return code <= POOL_BYTES / sizeof(struct block) ? code : SAMPLED_CODES;
}

static inline bool block_is_sampled(const struct block *block)
{
    return block_sampled_code(block->link) != SAMPLED_CODES;
}

/* ---- What a link says, of either kind ---- */

/* The next block by the link of `block`; NULL if it is the end of the list, or the word is no link.
 */
static inline struct block *block_next_by(const struct block *block, uintptr_t link)
{
    struct block *next;
    if (LIKELY(block_decode(link, &next)))
        return next != &block_end ? next : NULL;
    uintptr_t code = block_sampled_code(link);
    if (code == 0 || code == SAMPLED_CODES)
        return NULL;
    return (struct block *)(((uintptr_t)block & ~(POOL_BYTES - 1)) +
                            (code - 1) * sizeof(struct block));
}

static inline struct block *block_next(const struct block *block)
{
    return block_next_by(block, block->link);
}

/* `next` may be NULL. */
static inline void block_set_next(struct block *block, const struct block *next)
{
    block->link = block_encode(next != NULL ? next : &block_end);
}

/* The same of a block that stays sampled if it is. `next` is in its pool, or NULL. */
static inline void block_change_next(struct block *block, const struct block *next)
{
    if (UNLIKELY(block_is_sampled(block)))
        block->link = block_link_sampled(next != NULL ? next : &block_end);
    else
        block_set_next(block, next);
}

/* Whether the block is the last of its list. */
static inline bool block_is_last(const struct block *block)
{
    return block->link == block_encode(&block_end) || block->link == block_link_of_code(0);
}

/* A list of free blocks. */
struct block_list {
    struct block *head; /* &block_end when it is empty */
};

/* NULL when the list is empty. */
static inline struct block *block_list_first(const struct block_list *list)
{
    return list->head != &block_end ? list->head : NULL;
}

static inline bool block_list_is_empty(const struct block_list *list)
{
    return list->head == &block_end;
}

/* The list is `first`, which may be NULL, and what is linked behind it. */
static inline void block_list_set(struct block_list *list, struct block *first)
{
    list->head = first != NULL ? first : (struct block *)&block_end;
}

/* A forked child finds the list as it was at some instruction: so the link is stored before the
 * block is in the list. */
static ALWAYS_INLINE void block_list_push(struct block_list *list, struct block *block)
{
    block->link = block_encode(list->head);
    atomic_signal_fence(memory_order_release);
    list->head = block;
}

/* Takes the first block off the list, with the link still in it; NULL if the list is empty, or the
 * program has overwritten the first block's link. */
static ALWAYS_INLINE struct block *block_list_pop(struct block_list *list)
{
    struct block *first = list->head, *second;
    WILL_BE_RETURNED(first); /* one instruction less */
    if (UNLIKELY(!block_decode(first->link, &second)))
        return NULL;
    list->head = second;
    return first;
}

/* Whether the first word bears the mark of a free block. */
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
