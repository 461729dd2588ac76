/* header.h: the 8 bytes in front of every object.
 *
 *   63      48 47              20 19   16 15      0
 *   +---------+------------------+-------+---------+
 *   |   tag   |      count       | flags |  type   |    flags: LARGE UNTRACKED FINALIZED OLD
 *   +---------+------------------+-------+---------+
 *
 * The tag names the object's owner, whose thread alone may count it with plain instructions: an
 * owner's tag is twice the number of its heap, so it is even. A count that overflows adds 1 to the
 * tag; no owner has that odd tag, so the object is immortal from then on. The inline functions of
 * molt_object.h compare a header's tag with that of the thread, and leave an object with any other
 * tag to the slow paths. Tags that are no owner's:
 *
 *   BLOCK_MARK   no object: a free block, which bears the mark where the tag was (alloc/block.h)
 *   DYING        the last reference has gone; the other bits link a thread's stack (dying.h)
 *   CONDEMNED    garbage that a collection is about to free
 *   SHARED       the count stands in the shared counts, and any thread may change it (count.h)
 *   IMMORTAL     references to the object are not counted
 */
#ifndef OBJECT_HEADER_H
#define OBJECT_HEADER_H

#include "molt_object.h"

#include "alloc/block.h" // BLOCK_MARK

#include <stdbool.h>
#include <stdint.h>

#define TAG_SHIFT MOLT_OWNER_SHIFT
#define TAG_OWNER_END 0xc000u /* the end of all owners' tags */
#define TAG_DYING 0xc000u     /* the first of the dying tags: three bits of them are the tag */
#define TAG_DYING_END 0xe000u
#define TAG_CONDEMNED 0xfff0u
#define TAG_SHARED 0xfff2u
#define TAG_IMMORTAL 0xffffu

#define HEADER_ONE MOLT_COUNT_ONE
#define HEADER_COUNT_SHIFT 20
#define HEADER_COUNT_MAX ((1u << 28) - 1)

#define HEADER_OLD (UINT64_C(1) << 16)       /* not young: the GC table has its generation */
#define HEADER_FINALIZED (UINT64_C(1) << 17) /* its finalizer has been called */
#define HEADER_UNTRACKED (UINT64_C(1) << 18) /* collections leave it out */
#define HEADER_LARGE (UINT64_C(1) << 19)     /* in a block of its own, behind a struct large */
#define HEADER_FLAGS (UINT64_C(15) << 16)

/* A relaxed load, since other threads may write the header meanwhile. */
static inline uint64_t header_of(const void *object)
{
    return __atomic_load_n(&((const molt_object *)object)->molt_header, __ATOMIC_RELAXED);
}

static inline void header_set(void *object, uint64_t header)
{
    __atomic_store_n(&((molt_object *)object)->molt_header, header, __ATOMIC_RELAXED);
}

/* The header of an object that the calling thread owns, with a count of 1, no flags and type 0. */
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

/* A header with that tag and count, and the flags and the type of another one. */
static inline uint64_t header_with(uint64_t header, unsigned tag, unsigned count)
{
    return (uint64_t)tag << TAG_SHIFT | (uint64_t)count << HEADER_COUNT_SHIFT |
           (header & (HEADER_FLAGS | 0xffff));
}

static inline unsigned tag_of_heap(unsigned heap_number)
{
    return heap_number * 2;
}

/* False: the heap cannot own objects, since its tag, or the one behind it, means something else. */
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

/* Whether a live object may have that tag. */
static inline bool tag_is_live(unsigned tag)
{
    return tag_is_owner(tag) || tag == TAG_SHARED || tag_is_immortal(tag);
}

/* Whether collections visit the object, if its type is a tracked one. */
static inline bool header_is_tracked(uint64_t header)
{
    return tag_is_live(header_tag(header)) && (header & HEADER_UNTRACKED) == 0;
}

#endif
