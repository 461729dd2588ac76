/* dying.h: the stack of objects that are dying, and what is forgotten of them. For death.c and
 * cascade.c; a collection tells here that it deletes.
 *
 *   63   61 60               20 19   16 15      0
 *   +------+-------------------+-------+---------+
 *   | 110  | link to the next  | flags |  type   |   a dying object's header
 *   +------+-------------------+-------+---------+
 */
#ifndef OBJECT_DYING_H
#define OBJECT_DYING_H

#include "header.h"
#include "owner.h"
#include "gc_table.h"

#include "alloc/map.h"
#include "base/attributes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DYING_BITS ((uint64_t)TAG_DYING << TAG_SHIFT)
#define LINK_SHIFT 20
#define LINK_BITS (((UINT64_C(1) << 41) - 1) << LINK_SHIFT | LINK_IS_LARGE)
#define LINK_IS_LARGE HEADER_UNTRACKED /* the flag of the link: a dying object needs no more */
#define KEPT_BITS (HEADER_OLD | HEADER_FINALIZED | HEADER_LARGE | 0xffff)

/* The calling thread's. */
struct dying {
    uint64_t top; /* link to the dying objects that wait */
    void *first;  /* put off: to go on the stack, in this order */
    void *last;
    unsigned put_off; /* whatever dies is put off */
    unsigned depth;   /* drains inside one another */
    bool is_deleting; /* a collection drops the references of condemned objects */
};

extern HIDDEN THREAD_LOCAL struct dying dying;

/* 41 bits for an address: objects in pools as a distance from the window's base, at multiples of 8;
 * large objects as they are, at multiples of 64. 0 is none. */
static ALWAYS_INLINE uint64_t link_to_small(const void *object)
{
    return ((((uintptr_t)object - map.base) >> 3) + 1) << LINK_SHIFT;
}

static ALWAYS_INLINE uint64_t link_to(const void *object, uint64_t header)
{
    if (UNLIKELY((header & HEADER_LARGE) != 0))
        return ((uintptr_t)object >> 6) << LINK_SHIFT | LINK_IS_LARGE;
    return link_to_small(object);
}

static ALWAYS_INLINE void *linked(uint64_t link)
{
    if (UNLIKELY((link & LINK_IS_LARGE) != 0))
        return (void *)(link >> LINK_SHIFT << 6);
    return (void *)(map.base + (((link >> LINK_SHIFT) - 1) << 3));
}

/* The object is dying, and linked so. */
static ALWAYS_INLINE void set_link(void *object, uint64_t header, uint64_t link)
{
    header_set(object, DYING_BITS | link | (header & KEPT_BITS));
}

static ALWAYS_INLINE void stack_push(void *object)
{
    uint64_t header = header_of(object);
    set_link(object, header, dying.top);
    dying.top = link_to(object, header);
}

static ALWAYS_INLINE void *stack_pop(void)
{
    void *object = linked(dying.top);
    dying.top = header_of(object) & LINK_BITS;
    return object;
}

/* An object in the middle of its slots has the next one's number in the first, odd as no address
 * is.
 */
static inline void *cursor_mark(size_t next)
{
    return (void *)(next << 1 | 1);
}

static inline size_t cursor_of(const void *mark)
{
    return ((uintptr_t)mark & 1) != 0 ? (uintptr_t)mark >> 1 : 0;
}

/* A tracked object dies: what its table knows of its age, and its part in the owner's count. */
static ALWAYS_INLINE void forget_tracked(void *object, uint64_t header, struct owner *self)
{
    if (UNLIKELY((header & HEADER_OLD) != 0))
        gc_table_forget_old(object, header, self);
    owner_count_down(self);
}

#endif
