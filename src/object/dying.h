/* dying.h: each thread's stack of dying objects, for death.c and cascade.c. It is linked through
 * the headers:
 *
 *   63   61 60               20 19   16 15      0
 *   +------+-------------------+-------+---------+
 *   | 110  | link to the next  | flags |  type   |   a dying object's header
 *   +------+-------------------+-------+---------+
 *
 * A link has 41 bits for an address. For an object in a pool they hold (address - window) / 8 + 1,
 * for a large object address / 64, told apart by the flag LINK_IS_LARGE. A link of 0 is none. */
#ifndef OBJECT_DYING_H
#define OBJECT_DYING_H

#include "gc_table.h"
#include "header.h"
#include "owner.h"

#include "alloc/map.h"
#include "base/attributes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DYING_BITS ((uint64_t)TAG_DYING << TAG_SHIFT)
#define LINK_SHIFT 20
#define LINK_BITS (((UINT64_C(1) << 41) - 1) << LINK_SHIFT | LINK_IS_LARGE)
#define LINK_IS_LARGE HEADER_UNTRACKED /* of the next object */
#define KEPT_BITS (HEADER_OLD | HEADER_FINALIZED | HEADER_LARGE | 0xffff)

struct dying {
    uint64_t top;       /* link to the top of the stack */
    void *first;        /* deferred objects, which are not on the stack yet: the first … */
    void *last;         /* … and the last of their list */
    unsigned deferrals; /* death_begin_defer calls that have not been ended */
    unsigned depth;     /* drains of the stack inside one another */
    bool is_deleting;   /* the thread is the collector, and drops references of condemned objects */
};

/* The calling thread's. */

extern HIDDEN THREAD_LOCAL struct dying dying;

static ALWAYS_INLINE uint64_t dying_link_to_small(const void *object)
{
    return ((((uintptr_t)object - map.base) >> 3) + 1) << LINK_SHIFT;
}

static ALWAYS_INLINE uint64_t dying_link_to(const void *object, uint64_t header)
{
    if (UNLIKELY((header & HEADER_LARGE) != 0))
        return ((uintptr_t)object >> 6) << LINK_SHIFT | LINK_IS_LARGE;
    return dying_link_to_small(object);
}

static ALWAYS_INLINE void *dying_linked(uint64_t link)
{
    if (UNLIKELY((link & LINK_IS_LARGE) != 0))
        return (void *)(link >> LINK_SHIFT << 6);
    return (void *)(map.base + (((link >> LINK_SHIFT) - 1) << 3));
}

/* The object is dying; its header holds the link. */
static ALWAYS_INLINE void dying_set_link(void *object, uint64_t header, uint64_t link)
{
    header_set(object, DYING_BITS | link | (header & KEPT_BITS));
}

static ALWAYS_INLINE void dying_push(void *object)
{
    uint64_t header = header_of(object);
    dying_set_link(object, header, dying.top);
    dying.top = dying_link_to(object, header);
}

static ALWAYS_INLINE void *dying_pop(void)
{
    void *object = dying_linked(dying.top);
    dying.top = header_of(object) & LINK_BITS;
    return object;
}

/* In an object that waits in the middle of its slots, the first slot holds the number of the next
 * one to be released: times 2 plus 1, as no address is odd. cursor_of gives 0 for an address. */
static inline void *cursor_mark(size_t next)
{
    return (void *)(next << 1 | 1);
}

static inline size_t cursor_of(const void *mark)
{
    return ((uintptr_t)mark & 1) != 0 ? (uintptr_t)mark >> 1 : 0;
}

/* Before a tracked object's block is freed: its generation is forgotten, and it is no longer
 * counted as new. */
static ALWAYS_INLINE void forget_tracked(void *object, uint64_t header, struct owner *self)
{
    if (UNLIKELY((header & HEADER_OLD) != 0))
        gc_table_forget_old(object, header, self);
    owner_count_down(self);
}

#endif
