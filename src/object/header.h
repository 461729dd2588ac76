/* header.h: the word in front of every object.
 *
 *   63      48 47              20 19   16 15      0
 *   +---------+------------------+-------+---------+
 *   |   tag   |      count       | flags |  type   |
 *   +---------+------------------+-------+---------+
 *
 * The tag says who may count here with plain instructions: the thread whose heap has half that
 * number. An even tag, so that a count that overflows into it makes it odd: saturated, nobody's,
 * immortal. All other tags are nobody's either, so that the inline functions of molt_object.h,
 * which compare the tag with the thread's own, leave them to the slow ones:
 *
 *   BLOCK_MARK   no object: a free block, which bears the mark where the tag was (block.h)
 *   DYING        its last reference has gone; linked into a thread's stack (death.h)
 *   CONDEMNED    garbage that a collection is about to free
 *   SHARED       its count stands in the shared counts (count.h), whoever made it
 *   IMMORTAL
 */
#ifndef OBJECT_HEADER_H
#define OBJECT_HEADER_H

#include "molt_object.h"

#include "alloc/block.h" // BLOCK_MARK

#include <stdbool.h>
#include <stdint.h>

#define TAG_SHIFT MOLT_OWNER_SHIFT
#define TAG_OWNER_END 0xc000u /* owners' tags lie below */
#define TAG_DYING 0xc000u     /* … to TAG_DYING_END: the rest of the bits is a link */
#define TAG_DYING_END 0xe000u
#define TAG_CONDEMNED 0xfff0u
#define TAG_SHARED 0xfff2u
#define TAG_IMMORTAL 0xffffu

#define HEADER_ONE MOLT_COUNT_ONE
#define HEADER_COUNT_SHIFT 20
#define HEADER_COUNT_MAX ((1u << 28) - 1)

#define HEADER_OLD (UINT64_C(1) << 16)       /* has survived a collection: its table says which */
#define HEADER_FINALIZED (UINT64_C(1) << 17) /* its finalizer has been called */
#define HEADER_UNTRACKED (UINT64_C(1) << 18) /* collections do not look at it */
#define HEADER_LARGE (UINT64_C(1) << 19)     /* a block of its own, with the table in front */
#define HEADER_FLAGS (UINT64_C(15) << 16)

/* Other threads may be writing it: a plain load, but one. */
static inline uint64_t header_of(const void *object)
{
    return __atomic_load_n(&((const molt_object *)object)->molt_header, __ATOMIC_RELAXED);
}

static inline void header_set(void *object, uint64_t header)
{
    __atomic_store_n(&((molt_object *)object)->molt_header, header, __ATOMIC_RELAXED);
}

/* The header, but for type and flags, of an object that is the calling thread's with one reference.
 */
static inline uint64_t header_own_one(void)
{
    return molt_self - HEADER_ONE;
}

static inline unsigned header_tag(uint64_t header)
{
    return (unsigned)(header >> TAG_SHIFT);
}

static inline unsigned header_type(uint64_t header)
{
    return (unsigned)(header & 0xffff);
}

static inline unsigned header_count(uint64_t header)
{
    return (unsigned)(header >> HEADER_COUNT_SHIFT) & HEADER_COUNT_MAX;
}

static inline uint64_t header_with_tag(uint64_t header, unsigned tag)
{
    return (header & ~(UINT64_C(0xffff) << TAG_SHIFT)) | (uint64_t)tag << TAG_SHIFT;
}

/* Tag and count anew; flags and type stay. */
static inline uint64_t header_with(uint64_t header, unsigned tag, unsigned count)
{
    return (uint64_t)tag << TAG_SHIFT | (uint64_t)count << HEADER_COUNT_SHIFT |
           (header & (HEADER_FLAGS | 0xffff));
}

static inline unsigned tag_of_heap(unsigned heap_number)
{
    return heap_number * 2;
}

/* Heaps whose tag would mean something else cannot own objects. */
static inline bool tag_fits_heap(unsigned heap_number)
{
    return heap_number * 2 + 2 < TAG_OWNER_END && heap_number * 2 + 1 != BLOCK_MARK;
}

static inline bool tag_is_owner(unsigned tag)
{
    return tag != 0 && tag < TAG_OWNER_END && tag % 2 == 0;
}

static inline bool tag_is_immortal(unsigned tag)
{
    return tag == TAG_IMMORTAL ||
           (tag < TAG_OWNER_END && tag % 2 == 1 && tag > 1 && tag != BLOCK_MARK);
}

static inline bool tag_is_dying(unsigned tag)
{
    return tag >= TAG_DYING && tag < TAG_DYING_END;
}

/* A live object, whoever may count it. */
static inline bool tag_is_live(unsigned tag)
{
    return tag_is_owner(tag) || tag == TAG_SHARED || tag_is_immortal(tag);
}

/* A live object that collections look at, if its type is tracked at all. */
static inline bool header_is_tracked(uint64_t header)
{
    return tag_is_live(header_tag(header)) && (header & HEADER_UNTRACKED) == 0;
}

#endif
