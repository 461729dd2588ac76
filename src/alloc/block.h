/* block.h: what a free block holds: one encoded link in its first 8 bytes.
 *
 *   63      48 47                       0
 *   +---------+-------------------------+
 *   |  mark   |  next block + secret    |     as stored; the last block's next is block_end
 *   +---------+-------------------------+
 *
 * The key is `mark` above a secret number, so that next + key has the mark on top. It serves three
 * times. Nobody can read or forge an address through a dangling pointer. One 16-bit comparison in
 * free() suspects a second free of the same block; malloc() clears the word. And what a program has
 * written into a free block is, as a signed number, below almost every time: the mark is near the
 * top of all of them. So the subtraction that decodes a link tells by its own flags that it is
 * none, before it is followed. An empty list leads to block_end, whose link is none either: no test
 * for the end is left, and a pop pays nothing for the check.
 *
 * The mark belongs to a signalling NaN and is no pointer, no small integer and no UTF-8 text, so
 * live data rarely looks like it.
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

/* Stands behind the last block of every list; its own link is none. */
extern HIDDEN const struct block block_end;

#if defined(__x86_64__)
#define BLOCK_SECRET_BITS 47 /* addresses have as many: the sum leaves the mark alone */
#else
#define BLOCK_SECRET_BITS 48
#endif

static inline uintptr_t block_key_from(uint64_t random)
{
    return random >> (64 - BLOCK_SECRET_BITS) | (uintptr_t)BLOCK_MARK << 48;
}

static inline uintptr_t block_encode(const struct block *next)
{
#if defined(__x86_64__)
    return (uintptr_t)next + block_key;
#else
    return (uintptr_t)next ^ block_key; /* addresses may have 48 bits */
#endif
}

/* Decodes a link: false if it is none. Some that are none pass: those that the mark, or something
 * above it, is still on top of. */
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

/* The next block; NULL if there is none, or the link is none. */
static inline struct block *block_next_of(uintptr_t link)
{
    struct block *next;
    return block_decode(link, &next) && next != &block_end ? next : NULL;
}

static inline struct block *block_next(const struct block *block)
{
    return block_next_of(block->link);
}

/* `next` may be NULL. */
static inline void block_set_next(struct block *block, const struct block *next)
{
    block->link = block_encode(next != NULL ? next : &block_end);
}

/* Whether the block's link leads to none, as that of the last one does. */
static inline bool block_is_last(const struct block *block)
{
    return block->link == block_encode(&block_end);
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

/* A forked child sees each thread stopped at some instruction: the link must be there before the
 * block is in the list. */
static ALWAYS_INLINE void block_list_push(struct block_list *list, struct block *block)
{
    block->link = block_encode(list->head);
    atomic_signal_fence(memory_order_release);
    list->head = block;
}

/* The first block, which leaves the list with the link still in it; NULL if the list is empty, or
 * the first block has been written to, so that its link is none. */
static ALWAYS_INLINE struct block *block_list_pop(struct block_list *list)
{
    struct block *first = list->head, *second;
    WILL_BE_RETURNED(first); /* one instruction less */
    if (UNLIKELY(!block_decode(first->link, &second)))
        return NULL;
    list->head = second;
    return first;
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
